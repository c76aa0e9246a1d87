"""Items that nobody has touched, found by their text alone. Called by `tidemill evaluate --cold`.

A fifth of the items is drawn to be cold: nothing with them is learnt from. A tenth more is withheld
in the same way for validation, on which settings are chosen. Whoever turned to a cold item last is
asked for it, twice: among the cold items, and among all. The earlier items of the history are
weighed by their age, and what lies nearest to them in the contender's space comes first. Items with
a cold one's very text cannot be told from it by anybody here.

The floors: popularity, which is even told how often the withheld items were turned to (without
that it cannot order them); and the cosine of bags of words, weighed by how rare a word is.
"""

import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Literal

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from inference.data.described import texts_of
from inference.data.interactions import Interactions, Mask
from inference.errors import DataError
from inference.evaluation.bags import bags
from inference.evaluation.metrics import Metrics, metrics
from inference.evaluation.protocols import Part, leave_one_out
from inference.models.space import DECAY
from inference.models.text import EncoderName, TextEncoder, Texts, load_encoder
from inference.training.adapt import Adapter, Method, adapter_of, widen
from inference.training.text import TextPhase, TextSettings, fine_tune
from schemas.state import HISTORY_LIMIT

COLD_SHARE, VALIDATION_SHARE = 0.2, 0.1
"""Of the items."""
_USERS_AT_ONCE = 128

Pool = Literal["cold", "all"]
Asked = tuple[list[NDArray[np.int64]], list[NDArray[np.int32]]]


@dataclass(frozen=True)
class ColdStart:
    """`asked` holds for each part the rows of the histories, oldest first, and what was right."""

    log: Interactions
    fit: Interactions
    cold: dict[Part, Mask]
    asked: dict[Part, Asked]

    def pool(self, part: Part, pool: Pool) -> Mask:
        """(items,) what may be shown; the test's cold items stay unseen until the test."""
        if pool == "cold":
            return self.cold[part]
        return np.ones(len(self.log.items), np.bool_) if part == "test" else ~self.cold["test"]


class ColdRow(msgspec.Struct, frozen=True, kw_only=True):
    """Of one contender; `seconds` is what learning took beyond reading the texts once, and
    `parameters` how many numbers of an encoder learnt last.
    """

    among_cold: Metrics
    among_all: Metrics
    seconds: float
    parameters: int = 0


class ColdEvaluation(msgspec.Struct, frozen=True, kw_only=True):
    dataset: str
    part: Part
    k: int
    seed: int
    users: int
    items: int
    cold_items: int
    texts: int
    """Different ones, of all items."""
    interactions: int
    results: dict[str, ColdRow]
    seconds: float


def cold_start(dataset: Interactions, seed: int = 0) -> ColdStart:
    """Raises DataError where nobody's last items were drawn."""
    drawn = np.random.default_rng(seed).permutation(len(dataset.items))
    tests, more = round(len(drawn) * COLD_SHARE), round(len(drawn) * VALIDATION_SHARE)
    parts: dict[Part, NDArray[np.int64]] = {
        "test": drawn[:tests],
        "validation": drawn[tests : tests + more],
    }
    cold: dict[Part, Mask] = {}
    asked: dict[Part, Asked] = {}
    for part, items in parts.items():
        cold[part] = np.isin(np.arange(len(drawn)), items)
        split = leave_one_out(dataset, part)
        both = zip(split.histories, split.targets, strict=True)
        wanted = [(rows, target) for rows, target in both if cold[part][target[0]]]
        if not wanted:
            raise DataError(f"{dataset.name} is too small: no {part} item was drawn to be cold")
        asked[part] = ([rows for rows, _ in wanted], [target for _, target in wanted])
    withheld = cold["test"] | cold["validation"]
    kept = split.fit.select(~withheld[split.fit.item])
    return ColdStart(split.log, kept, cold, asked)


def evaluate_cold(  # noqa: PLR0913 - each is a choice of its own
    dataset: Interactions,
    *,
    part: Part = "test",
    k: int = 10,
    seed: int = 0,
    settings: TextSettings | None = None,
    encoder: EncoderName = "bert",
    adapt: Sequence[Method] = (),
    report: Callable[[TextPhase], None] = lambda _: None,
) -> ColdEvaluation:
    """With `adapt` the encoder's head is fitted alone, and from there the layers in each of these
    ways. Raises DataError, also where the items have no text, and TrainingError.
    """
    started = time.monotonic()
    words = texts_of(dataset)
    if not any(words):
        raise DataError(f"{dataset.name} says nothing of its items; their text is what is judged")
    split = cold_start(dataset, seed)
    often = np.bincount(leave_one_out(dataset, part).fit.item, minlength=len(words))  # (items,)
    results = {
        "popularity, told of the cold": _row(split, torch.from_numpy(often).float(), part, k),
        "bag of words": _row(split, bags(words), part, k),
    }
    model = load_encoder(encoder)
    if adapt:
        widen(model.tower)
    texts = Texts(model, words)
    settings = settings or TextSettings()

    def fitted(model: TextEncoder, settings: TextSettings, adapter: Adapter | None) -> ColdRow:
        told: list[TextPhase] = []

        def tell(phase: TextPhase) -> None:
            told.append(phase)
            report(phase)

        began = time.monotonic()
        fine_tune(model, split.fit, texts, settings, adapter=adapter, seed=seed, report=tell)
        seconds = round(time.monotonic() - began, 3)
        many = told[-1].parameters if told else 0
        return _row(split, _table(model, texts), part, k, seconds, many)

    results[f"{encoder} as it comes"] = _row(split, _table(model, texts), part, k)
    if not adapt:
        results[encoder] = fitted(model, settings, None)
    else:
        results[f"{encoder}, its head"] = fitted(model, replace(settings, steps=0), None)
    for method in adapt:
        copy = deepcopy(model)
        adapter = adapter_of(method, copy.tower, seed=seed)
        row = fitted(copy, replace(settings, head_steps=0), adapter)
        results[f"{encoder}, {method}"] = row
    return ColdEvaluation(
        dataset=dataset.name,
        part=part,
        k=k,
        seed=seed,
        users=len(split.asked[part][0]),
        items=len(words),
        cold_items=int(split.cold[part].sum()),
        texts=len(texts),
        interactions=len(split.fit),
        results=results,
        seconds=round(time.monotonic() - started, 3),
    )


@torch.no_grad()
def _table(encoder: TextEncoder, texts: Texts) -> Tensor:
    return encoder.directed(texts.pooled(encoder))[texts.of_item]  # (items, dim)


def _row(
    split: ColdStart,
    table: Tensor,
    part: Part,
    k: int,
    seconds: float = 0.0,
    parameters: int = 0,
) -> ColdRow:
    """`table` is (items, dim), or (items,) for scores that read nothing of the user."""
    histories, targets = split.asked[part]
    ranked: dict[Pool, list[NDArray[np.int64]]] = {"cold": [], "all": []}
    for begin in range(0, len(histories), _USERS_AT_ONCE):
        some = histories[begin : begin + _USERS_AT_ONCE]
        scores = _scores(split.log, some, table)  # (users, items)
        for pool, found in ranked.items():
            barred = torch.from_numpy(~split.pool(part, pool))  # (items,)
            best, items = scores.masked_fill(barred, -torch.inf).topk(
                min(k, scores.shape[1]), dim=1
            )
            found.append(torch.where(best > -torch.inf, items, -1).numpy())
    rows = {
        pool: metrics(np.concatenate(found), targets, int(split.pool(part, pool).sum()))
        for pool, found in ranked.items()
    }
    return ColdRow(
        among_cold=rows["cold"], among_all=rows["all"], seconds=seconds, parameters=parameters
    )


def _scores(log: Interactions, histories: Sequence[NDArray[np.int64]], table: Tensor) -> Tensor:
    """(users, items), lowest for what is in the history."""
    if table.ndim == 1:
        scores = table.repeat(len(histories), 1)  # (users, items)
    else:
        profiles = table.T @ _weights(log, histories).T  # (dim, users)
        scores = (table @ functional.normalize(profiles, dim=0)).T  # (users, items)
    for user, rows in enumerate(histories):
        scores[user, log.item[rows]] = -torch.inf
    return scores


def _weights(log: Interactions, histories: Sequence[NDArray[np.int64]]) -> Tensor:
    """(users, items): what each item of the history weighs, the newest 1, most items nothing."""
    weights = np.zeros((len(histories), len(log.items)), np.float32)
    for user, history in enumerate(histories):
        newest = history[::-1][:HISTORY_LIMIT]
        np.add.at(weights[user], log.item[newest], DECAY ** np.arange(len(newest)))
    return torch.from_numpy(weights)
