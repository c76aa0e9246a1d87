"""Measures a model beside the floors that anything must beat. Called by `tidemill evaluate`.

Every row of the result ranks all items that the model knows, through the same `answer` that
Triton serves. The floors are the same counting with less of it: popularity reads nothing of the
user; the last-item rule reads one item and counts what came right after it. EASE and the blend
stand beside them where they are asked for.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from inference.data.interactions import Interactions
from inference.data.split import Split
from inference.errors import DataError
from inference.evaluation.metrics import Metrics, metrics
from inference.evaluation.peers import Peer, PeerRow, judge_peers
from inference.evaluation.protocols import Part, leave_one_out, time_split
from inference.models.answer import Model, answer
from inference.models.blend import SEQUENTIAL, Blend
from inference.models.fit import fit_transitions
from inference.models.requests import request_of
from inference.models.text import EncoderName
from inference.models.transitions import TransitionSettings
from inference.training.blend import Sequential, fit_pair
from inference.training.sources import COUNTED, TEXT_ENCODER
from inference.training.train import train
from schemas.serving import ITEMS, MAX_K

Protocol = Literal["leave-one-out", "time-split"]
MODEL = "blend"
CONTENDERS = {
    "popularity": TransitionSettings(reach=1, read=0),
    "last-item": TransitionSettings(reach=1, read=1, damping=0),
    "transitions": TransitionSettings(),
}
_USERS_AT_ONCE = 128
"""Bounds memory; users with long histories cost most, because all they saw is excluded."""


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """`results` are by contender; `fit_seconds` is that of the transitions; `validation_learnt` is
    whether everything in it, peers too, learnt from the validation items of leave-one-out.
    """

    dataset: str
    protocol: Protocol
    part: Part
    until_ms: int | None
    k: int
    exclude_seen: bool
    validation_learnt: bool
    users: int
    items: int
    interactions: int
    results: dict[str, Metrics]
    fit_seconds: float
    seconds: float
    peers: dict[str, PeerRow] = {}

    def metrics(self) -> dict[str, float]:
        """The blend's, named as a release's manifest wants them: `hr@10` ..."""
        found = msgspec.structs.asdict(self.results[MODEL])
        return {f"{name}@{self.k}": round(value, 5) for name, value in found.items()}


def evaluate(  # noqa: PLR0913 - each is a choice of its own
    dataset: Interactions,
    *,
    protocol: Protocol = "leave-one-out",
    part: Part = "test",
    k: int = 10,
    until_ms: int | None = None,
    next_items: int = 1,
    exclude_seen: bool = True,
    learn_validation: bool = True,
    blend: bool = False,
    parts: Sequence[str] = COUNTED,
    ablate: bool = False,
    sequential: Sequential | None = None,
    text: EncoderName = TEXT_ENCODER,
    peers: Mapping[str, Peer] | None = None,
    seeds: int = 1,
) -> Evaluation:
    """`part` is for leave-one-out, `until_ms` and `next_items` for time-split. `blend` adds EASE
    and the blend of `parts`, `ablate` also the blend without each of its parts, its ranker fitted
    again; `sequential` gives the blend one source more, `text` is the encoder of the part of that
    name. Each of the `peers` is fitted `seeds` times. For the test, `learn_validation` fits
    everything on the validation items as well, once the ranker is fitted. Raises DataError.
    """
    if not 1 <= k <= MAX_K:
        raise DataError(f"k is {k}; 1 to {MAX_K} can be ranked")
    started = time.monotonic()
    if protocol == "time-split":
        split = time_split(dataset, until_ms, next_items, new_only=exclude_seen)
    else:
        learn_validation = learn_validation and part == "test"
        split = leave_one_out(dataset, part, learn_validation=learn_validation)
    results: dict[str, Metrics] = {}
    for name, settings in CONTENDERS.items():
        fitted = train(split.fit, fit=partial(fit_transitions, settings=settings))
        ranked = _ranked(split, fitted.model, k, exclude_seen=exclude_seen)
        results[name] = metrics(ranked, split.targets, len(fitted.items))
    counted = parts, text
    blends = _blends(dataset, split, part, counted, sequential, ablate=ablate)
    for name, model in blends if blend or ablate else ():
        ranked = _ranked(split, model, k, exclude_seen=exclude_seen)
        results[name] = metrics(ranked, split.targets, len(fitted.items))
    beside = judge_peers(split, peers or {}, k, seeds, exclude_seen=exclude_seen)
    return Evaluation(
        dataset=dataset.name,
        protocol=protocol,
        part=part,
        until_ms=split.until_ms,
        k=k,
        exclude_seen=exclude_seen,
        validation_learnt=learn_validation and split.until_ms is None,
        users=len(split.targets),
        items=len(fitted.items),
        interactions=len(split.log),
        results=results,
        fit_seconds=fitted.training.seconds,
        peers=beside,
        seconds=round(time.monotonic() - started, 3),
    )


def _blends(
    dataset: Interactions,
    split: Split,
    part: Part,
    counted: tuple[Sequence[str], EncoderName],
    sequential: Sequential | None,
    *,
    ablate: bool,
) -> Iterator[tuple[str, Blend]]:
    """EASE, the blend and what is left of it. The ranker sees validation items only: those of
    leave-one-out, or, where these or later ones are the question, the last of what is fitted on.
    """
    held: Split | None
    try:
        validation = split.until_ms is None and part == "test"
        if validation:
            held = leave_one_out(dataset, "validation")
        else:
            held = leave_one_out(split.fit, learn_validation=True)
    except DataError:  # nobody has items to hold out, so all readings weigh the same
        held = None
    pair = fit_pair(split.fit, held, *counted)
    if "ease" in pair.whole.parts:
        yield "ease", pair.whole.only(("ease",))
    if sequential is not None:
        pair = sequential(pair, split.fit)
        if SEQUENTIAL in pair.whole.readings:
            yield "transformer", pair.whole.only((SEQUENTIAL.source,))
    yield MODEL, pair.ranked()
    for off in pair.whole.parts if ablate else ():
        left = [name for name in pair.whole.parts if name != off]
        yield f"blend without {off}", pair.only(left).ranked()


def _ranked(split: Split, model: Model, k: int, *, exclude_seen: bool) -> NDArray[np.int64]:
    """(users, k) places in the log's item table, -1 where there is none."""
    hashes = split.log.item_hashes
    ascending = np.argsort(hashes)
    ranked = np.full((len(split.histories), k), -1)
    # Users of like history length together, so that little of EXCLUDE is padding.
    by_length = np.argsort([len(rows) for rows in split.histories], kind="stable")
    for begin in range(0, len(by_length), _USERS_AT_ONCE):
        users = by_length[begin : begin + _USERS_AT_ONCE]
        histories = [split.histories[user] for user in users]
        found = answer(model, request_of(split.log, histories, k, exclude_seen=exclude_seen))[ITEMS]
        place = ascending[
            np.searchsorted(hashes, found, sorter=ascending).clip(max=len(hashes) - 1)
        ]
        ranked[users] = np.where(hashes[place] == found, place, -1)
    return ranked
