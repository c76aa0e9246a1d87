"""Fits the model on an interaction log, or on what had happened before a time.

Pure but for the stopwatch: the same log, time and settings give the same model. Called by
`tidemill train` and, for the floors, by the evaluation.
"""

import time
from collections.abc import Callable

from inference.data.interactions import Interactions
from inference.data.split import leave_one_out
from inference.errors import DataError
from inference.models.fit import by_popularity
from inference.models.text import EncoderName
from inference.training.blend import Pair, fit_whole
from inference.training.fitted import Fitted, Model
from inference.training.space import fit_space
from schemas.releases import ReleaseItem, Training

Fit = Callable[[Interactions], Model | Pair]


def train(
    dataset: Interactions,
    *,
    until_ms: int | None = None,
    fit: Fit = fit_whole,
    seed: int = 0,
    text: EncoderName | None = None,
) -> Fitted:
    """`until_ms` keeps what happened at or after it out of the model, so that it can be replayed;
    `fit` makes the model, by default the whole blend. With a `text` encoder the release has a place
    for items that come after it.

    Counting needs no chance; `seed` is recorded for models that do. Raises DataError.
    """
    started = time.monotonic()
    if until_ms is not None and not dataset.timed:
        raise DataError(f"{dataset.name} has no times, so it cannot be cut at one")
    log = (dataset if until_ms is None else dataset.until(until_ms)).positive()
    if not len(log):
        raise DataError(f"{dataset.name} has no interaction to fit on before {until_ms}")
    made = fit(log)
    model = _whole(made)
    known, counts = by_popularity(log)
    items = tuple(
        ReleaseItem(
            item_id=log.items[item],
            interactions=int(count),
            title=log.title(item),
            categories=list(log.categories_of(item)),
        )
        for item, count in zip(known, counts, strict=True)
    )
    space = None
    if text is not None:
        # Of the pair the known has not seen the validation items, and so may be asked for them.
        judged = (
            made.known
            if isinstance(made, Pair)
            else _whole(fit(leave_one_out(log, "validation").fit))
        )
        space = fit_space(log, known, judged, text, seed)
    training = Training(
        dataset=dataset.name,
        fingerprint=log.fingerprint(),
        interactions=len(log),
        users=len(set(log.user.tolist())),
        seed=seed,
        seconds=round(time.monotonic() - started, 3),
        parts=list(model.parts),
    )
    return Fitted(model, training, items, log, space)


def _whole(made: Model | Pair) -> Model:
    return made.whole if isinstance(made, Pair) else made
