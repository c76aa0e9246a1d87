"""Models that several tests look at, fitted when the first test of a process asks.

Fitted on import, they would be fitted by every process that runs tests, whichever it runs.
"""

from functools import cache

from inference.training import Fitted, train
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
def fitted_by_text() -> Fitted:
    """Of `described_chains()`, with a text space."""
    return train(described_chains(), text="hashed")
