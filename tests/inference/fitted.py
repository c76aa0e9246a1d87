"""Models that several tests look at, fitted when the first test of a process asks.

Fitted on import, they would be fitted by every process that runs tests, whichever it runs.
"""

from functools import cache, partial

from inference.training import Fitted, train
from inference.training.blend import fit_whole, with_transformer
from inference.training.epochs import EpochSettings
from tests.inference.logs import chains, described_chains


@cache
def fitted() -> Fitted:
    """Of `chains()`, without texts."""
    return train(chains())


@cache
def fitted_for_triton() -> Fitted:
    """Of more users and items than one request takes."""
    return train(chains(users=60, items=40, length=12))


@cache
def fitted_with_every_source() -> Fitted:
    """Of as many, with a transformer and texts."""
    log = described_chains(users=60, items=40, length=12)
    quick = partial(with_transformer, epochs=EpochSettings(epochs=1))
    return train(log, fit=partial(fit_whole, sequential=quick))


@cache
def fitted_by_text() -> Fitted:
    """Of `described_chains()`, with a text space."""
    return train(described_chains(), text="hashed")
