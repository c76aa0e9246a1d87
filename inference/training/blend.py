"""Fits the blend: its sources on an interaction log, its ranker on held-out validation items.

The same logs and seed give the same model. Called by `inference.training.train` for what is
released and by the evaluation, which `tidemill evaluate --transformer` hands `with_transformer`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.data.interactions import Interactions
from inference.data.split import Split, leave_one_out
from inference.errors import DataError
from inference.models.answer import Model
from inference.models.blend import READINGS, Blend
from inference.models.content import ContentSettings, fit_content, tags_of
from inference.models.ease import EaseSettings, fit_ease
from inference.models.fit import by_popularity, fit_transitions
from inference.models.ranker import fit_ranker
from inference.models.requests import request_of
from inference.models.sparse import Sparse
from inference.models.transformer import Transformer, TransformerSettings
from inference.models.transitions import TransitionSettings
from inference.training.epochs import EpochSettings, Settings, fit_transformer
from inference.training.fastest import Fastest
from inference.training.judging import Asked, Judge
from inference.training.launch import fit_with_processes
from inference.training.progress import Epoch, Report, best_of, silent
from inference.training.sequences import Sequences
from schemas.serving import MAX_USERS

COUNTED = ("popular", "transitions", "ease", "content")
"""The parts that are counted, content only where items are described; a transformer is fitted and
joins them.
"""
RANKER_USERS = 4_000
"""A ranker of so few weights needs no more; they are drawn evenly from all."""
JUDGE_USERS = 2_000
"""So many say after each epoch whether the transformer got better."""
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
        return self.whole.weighed(with_ranker(self.known, self.held).weights)

    def only(self, parts: Sequence[str]) -> "Pair":
        known = self.known.only(parts)
        whole = known if self.whole is self.known else self.whole.only(parts)
        return Pair(known, whole, self.held)


def fit_pair(log: Interactions, held: Split | None, parts: Sequence[str] = COUNTED) -> Pair:
    """Raises DataError."""
    whole = fit_sources(log, parts)
    if held is None or _learns_from(held, log):
        return Pair(whole, whole, held)
    return Pair(fit_sources(held.fit, parts), whole, held)


def fit_blend(log: Interactions, held: Split | None, parts: Sequence[str] = COUNTED) -> Blend:
    """`held` says what the ranker is fitted on: sources counted on `held.fit` are asked for its
    targets; None leaves even weights. The blend's own sources are counted on `log`. Raises
    DataError.
    """
    return fit_pair(log, held, parts).ranked()


def fit_whole(log: Interactions, parts: Sequence[str] = COUNTED) -> Blend:
    """What is released: sources counted on all of the log, under the weights that were judged,
    those of the validation items of leave-one-out. Raises DataError.
    """
    try:
        held = leave_one_out(log, "validation")
    except DataError:  # nobody has items to hold out, so all readings weigh the same
        held = None
    return fit_blend(log, held, parts)


def fit_sources(log: Interactions, parts: Sequence[str] = COUNTED) -> Blend:
    """The counting sources among `parts`, with even weights. Raises DataError."""
    log = log.positive()
    transitions = fit_transitions(log, TransitionSettings())
    sources = {}
    if "transitions" in parts:
        sources["transitions"] = Sparse(
            transitions.starts, transitions.successors, transitions.weights
        )
    if "ease" in parts:
        user, place = log.user.astype(np.int64), _places(log)[log.item]  # (rows,) each
        sources["ease"] = fit_ease(user, place, len(transitions.vocabulary), EaseSettings())
    if "content" in parts and (log.titles or log.categories):
        known, _ = by_popularity(log)
        tags = [tags_of(log.title(item), log.categories_of(item)) for item in known.tolist()]
        sources["content"] = fit_content(tags, ContentSettings())
    there = {*sources, "popular"} & {*parts}
    if not there:
        raise DataError(f"{log.name} says nothing of its items, and no part but content is left")
    readings = [reading for reading in READINGS if reading.source in there]
    return Blend(transitions.vocabulary, transitions.share, sources, readings)


def without_validation(model: Model, log: Interactions) -> Model:
    """What the model would be had it not seen the validation items of leave-one-out, to be asked
    for them. Fitting a transformer again would take too long: with one, the model is left as it is.
    Raises DataError.
    """
    fit = leave_one_out(log, "validation").fit
    if not isinstance(model, Blend):
        return fit_transitions(fit, model.settings)
    if model.transformer is not None:
        return model
    return fit_sources(fit, model.parts).weighed(model.weights)


def with_ranker(blend: Blend, held: Split | None) -> Blend:
    """The same sources; the weights are those that put the targets of `held` highest."""
    if held is None:
        return blend
    return blend.weighed(fit_ranker(blend, _asked(held, RANKER_USERS)))


def with_transformer(  # noqa: PLR0913 - each is a choice of its own
    blend: Blend,
    log: Interactions,
    held: Split | None,
    *,
    epochs: EpochSettings | None = None,
    seed: int = 0,
    processes: int = 1,
    checkpoint: Path | None = None,
    report: Report = silent,
    fastest: Fastest | None = None,
) -> Blend:
    """The blend of `log` with a transformer fitted on the same by so many processes, and its ranker
    fitted again; made smaller where `fastest` says how. Raises DataError where the validation items
    are not beside the log but in it; CheckpointError, TrainingError.
    """
    if held is None or not _learns_from(held, log):
        raise DataError("the transformer is fitted for the test of leave-one-out only")
    judge = Judge.of(blend, tuple(_asked(held, JUDGE_USERS, _K)))
    model, _ = _fit_by(processes)(
        *_learnt(log), judge, _settings(log, epochs), seed=seed, kept=_kept(checkpoint, log),
        report=report,
    )  # fmt: skip
    whole = with_ranker(blend.joined_by(model.cpu()), held)
    return whole if fastest is None else _smaller(whole, fastest, whole, held)


def fit_whole_with_transformer(  # noqa: PLR0913 - each is a choice of its own
    log: Interactions,
    parts: Sequence[str] = COUNTED,
    *,
    epochs: EpochSettings | None = None,
    seed: int = 0,
    processes: int = 1,
    checkpoint: Path | None = None,
    report: Report = silent,
    fastest: Fastest | None = None,
) -> Blend:
    """`fit_whole` with a transformer. On the validation items it is found out how many epochs are
    best, what its word weighs, and with `fastest` how it is made smaller; then one is fitted on all
    of the log for so many. `checkpoint`
    is that of `with_transformer`; another beside it is for the second. Raises DataError,
    CheckpointError, TrainingError.
    """
    fit = _fit_by(processes)
    held, settings = leave_one_out(log, "validation"), _settings(log, epochs)
    known, everything = held.fit, log.positive()
    blend = fit_sources(known, parts)
    judge = Judge.of(blend, tuple(_asked(held, JUDGE_USERS, _K)))
    kept = _kept(checkpoint, known)
    model, run = fit(*_learnt(known), judge, settings, seed=seed, kept=kept, report=report)
    judged = with_ranker(blend.joined_by(model.cpu()), held)
    beside = None if checkpoint is None else checkpoint.with_name(f"{checkpoint.name}-whole")
    whole, _ = fit(
        *_learnt(everything),
        None,
        (settings[0], replace(settings[1], epochs=best_of(run).number)),
        seed=seed,
        kept=_kept(beside, everything),
        report=report,
    )
    released = fit_sources(log, parts).joined_by(whole.cpu()).weighed(judged.weights)
    return released if fastest is None else _smaller(released, fastest, judged, held)


def _smaller(blend: Blend, fastest: Fastest, judged: Blend, held: Split) -> Blend:
    """`judged` is measured, where nothing was yet, on the validation items."""
    fastest.choose(judged, tuple(_asked(held, JUDGE_USERS, _K, MAX_USERS)))
    return fastest(blend)


def _fit_by(processes: int) -> Callable[..., tuple[Transformer, list[Epoch]]]:
    return fit_transformer if processes == 1 else partial(fit_with_processes, processes)


def _learnt(log: Interactions) -> tuple[Sequences, int]:
    """What a transformer is fitted on, and of how many items."""
    place = _places(log)
    return Sequences.of(log, place), int(place.max()) + 1


def _settings(log: Interactions, epochs: EpochSettings | None) -> Settings:
    return TransformerSettings(timed=log.timed), epochs or EpochSettings()


def _kept(checkpoint: Path | None, log: Interactions) -> tuple[Path, str] | None:
    return None if checkpoint is None else (checkpoint, log.fingerprint())


def _places(log: Interactions) -> NDArray[np.int64]:
    """(items of the log,) the number of each in a model of the log, -1 for none."""
    known, _ = by_popularity(log)
    place = np.full(len(log.items), -1)
    place[known] = np.arange(len(known))
    return place


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
