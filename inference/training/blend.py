"""Fits the blend: its sources on an interaction log, its ranker on held-out validation items.

The same logs and seed give the same model. Called by `inference.training.train` for what is
released and by the evaluation; both are handed `with_transformer` where there is to be one.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from inference.data.interactions import Interactions
from inference.data.split import Split, leave_one_out
from inference.errors import DataError
from inference.models.blend import Blend
from inference.models.ranker import fit_ranker
from inference.models.requests import request_of
from inference.models.text import EncoderName
from inference.models.transformer import Transformer, TransformerSettings
from inference.training.epochs import EpochSettings, fit_transformer
from inference.training.fastest import WITHOUT, Fastest
from inference.training.judging import Asked, Judge
from inference.training.launch import fit_with_processes
from inference.training.progress import Epoch, Report, best_of, silent
from inference.training.sequences import Sequences
from inference.training.sources import COUNTED, TEXT_ENCODER, fit_sources, places_of
from schemas.serving import MAX_USERS

RANKER_USERS = 4_000
"""A ranker of so few weights needs no more; they are drawn evenly from all."""
JUDGE_USERS = 2_000
"""So many say after each epoch whether the transformer got better."""
AFFORDABLE = 200_000
"""Interactions up to which a transformer is fitted unasked: some minutes of one core, see decision
31."""
_USERS_AT_ONCE = 64
_K = 10


@dataclass(frozen=True)
class Pair:
    """The same sources twice: `known` is counted without the items that the ranker is fitted on,
    those of `held`; `whole` on everything that may be learnt from. They may be one.
    """

    known: Blend
    whole: Blend
    held: Split | None

    def ranked(self) -> Blend:
        """The whole under the weights that the known deserves; even ones where nothing is held."""
        return self.judged().whole

    def judged(self) -> "Pair":
        """Both under those weights."""
        known = with_ranker(self.known, self.held)
        whole = known if self.whole is self.known else self.whole.weighed(known.weights)
        return Pair(known, whole, self.held)

    def only(self, parts: Sequence[str]) -> "Pair":
        known = self.known.only(parts)
        whole = known if self.whole is self.known else self.whole.only(parts)
        return Pair(known, whole, self.held)


Sequential = Callable[[Pair, Interactions], Pair]
"""Gives both of a pair a transformer; the log is the whole's. `with_transformer`, told the rest."""


def affordable(log: Interactions) -> bool:
    """Whether a transformer is fitted though nobody asked for one."""
    return len(log.positive()) <= AFFORDABLE


def fit_pair(
    log: Interactions,
    held: Split | None,
    parts: Sequence[str] = COUNTED,
    text: EncoderName = TEXT_ENCODER,
) -> Pair:
    """`text` is the encoder of the part of that name. Raises DataError."""
    whole = fit_sources(log, parts, text)
    if held is None or _learns_from(held, log):
        return Pair(whole, whole, held)
    return Pair(fit_sources(held.fit, parts, text), whole, held)


def fit_blend(log: Interactions, held: Split | None, parts: Sequence[str] = COUNTED) -> Blend:
    """`held` says what the ranker is fitted on: sources counted on `held.fit` are asked for its
    targets; None leaves even weights. The blend's own sources are counted on `log`. Raises
    DataError.
    """
    return fit_pair(log, held, parts).ranked()


def fit_whole(
    log: Interactions,
    parts: Sequence[str] = COUNTED,
    sequential: Sequential | None = None,
    text: EncoderName = TEXT_ENCODER,
) -> Pair:
    """What is released is the whole: sources fitted on all of the log, under the weights that were
    judged, those of the validation items of leave-one-out. `sequential` gives it one more. Raises
    DataError, and what `sequential` does.
    """
    try:
        held = leave_one_out(log, "validation")
    except DataError:  # nobody has items to hold out, so all readings weigh the same
        held = None
    pair = fit_pair(log, held, parts, text)
    return (pair if sequential is None else sequential(pair, log)).judged()


def with_ranker(blend: Blend, held: Split | None) -> Blend:
    """The same sources; the weights are those that put the targets of `held` highest."""
    if held is None:
        return blend
    return blend.weighed(fit_ranker(blend, _asked(held, RANKER_USERS)))


def with_transformer(  # noqa: PLR0913 - each is a choice of its own
    pair: Pair,
    log: Interactions,
    *,
    epochs: EpochSettings | None = None,
    seed: int = 0,
    processes: int = 1,
    checkpoint: Path | None = None,
    report: Report = silent,
    fastest: Fastest | None = None,
) -> Pair:
    """The pair with a transformer in both. On the validation items it is found out how many epochs
    are best, and with `fastest` how it is made smaller; where the whole is another than the known,
    one more is fitted on `log`, the whole's, for so many. `checkpoint` is a folder for the known's,
    another beside it is for the whole's. The pair stays as it is where nobody has items to hold
    out, or where `fastest` is to leave the transformer out. Raises CheckpointError, TrainingError.
    """
    if pair.held is None:
        return pair
    fit, held = _fit_by(processes), pair.held
    judge = Judge.of(pair.known, tuple(_asked(held, JUDGE_USERS, _K)))
    of_model = TransformerSettings.usual(len(held.fit), timed=log.timed)
    of_run = epochs or EpochSettings()
    model, run = fit(
        *_learnt(held.fit), judge, (of_model, of_run), seed=seed,
        kept=_kept(checkpoint, held.fit), report=report,
    )  # fmt: skip
    known = pair.known.joined_by(model.cpu())
    if fastest is not None:
        asked = tuple(_asked(held, JUDGE_USERS, _K, MAX_USERS))
        fastest.choose(with_ranker(known, held), with_ranker(pair.known, held), asked)
        if fastest.way == WITHOUT:
            return pair
        known = fastest(known)
    whole = known
    if pair.whole is not pair.known:
        learnt, so_many = log.positive(), replace(of_run, epochs=best_of(run).number)
        beside = checkpoint and checkpoint.with_name(f"{checkpoint.name}-{learnt.fingerprint()}")
        model, _ = fit(
            *_learnt(learnt), None, (of_model, so_many), seed=seed,
            kept=_kept(beside, learnt), report=report,
        )  # fmt: skip
        whole = pair.whole.joined_by(model.cpu())
        whole = whole if fastest is None else fastest(whole)
    return Pair(known, whole, held)


def _fit_by(processes: int) -> Callable[..., tuple[Transformer, list[Epoch]]]:
    return fit_transformer if processes == 1 else partial(fit_with_processes, processes)


def _learnt(log: Interactions) -> tuple[Sequences, int]:
    """What a transformer is fitted on, and of how many items."""
    place = places_of(log)
    return Sequences.of(log, place), int(place.max()) + 1


def _kept(checkpoint: Path | None, log: Interactions) -> tuple[Path, str] | None:
    return None if checkpoint is None else (checkpoint, log.fingerprint())


def _learns_from(held: Split, log: Interactions) -> bool:
    return held.fit.fingerprint() == log.positive().fingerprint()


def _asked(
    held: Split, users_at_most: int, k: int = 1, at_once: int = _USERS_AT_ONCE
) -> Iterator[Asked]:
    """Requests of users drawn evenly, with the hashes of what is right."""
    step = max(1, -(-len(held.histories) // users_at_most))
    users = range(0, len(held.histories), step)
    for begin in range(0, len(users), at_once):
        some = users[begin : begin + at_once]
        targets = np.array([held.targets[user][0] for user in some])
        request = request_of(held.log, [held.histories[user] for user in some], k)
        yield request, held.log.item_hashes[targets]
