"""The blend: every source retrieves, then one ranker orders what was found.

A source says for each user how much speaks for each item. It may be read in several ways, which
differ in how fast an item of the history loses weight with its age. Each reading retrieves its
best `RETRIEVED` items and gives the ranker two features of every item: its score over the reading's
best, and how high it stands (1 at the top, 0 where it was not retrieved). The ranker adds up
features times weights, which `fit_ranker` finds on held-out items; none is below 0, so more that
speaks for an item never lowers it, and someone unknown is shown what is popular.

Called like `Transitions`, through `inference.models.answer`. Never reads ids, files or clocks.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from inference.data.interactions import POSITIVE_KINDS
from inference.models.sparse import Sparse
from inference.models.transformer import Transformer
from inference.models.transitions import NONE, Slates
from inference.models.vocabulary import NO_IMAGE, Vocabulary
from schemas.serving import MAX_K, SOURCES
from schemas.state import KIND_CODES

RETRIEVED = MAX_K
"""Of each reading; so many popular ones are enough for the longest slate."""
FEATURES = 2
"""Of each reading."""
_LEAST_BEST = 1e-9
"""Stands for the best score of a reading that has none, so that nothing is divided by 0."""

_TIE = 1e-9
"""Below what two different scores of a usual log lie apart, and far above float64's grain."""


@dataclass(frozen=True)
class Reading:
    """A source and one way to read a user's history into it."""

    source: str
    decay: float = 1.0
    """What an item of the history weighs beside the next newer one."""
    newest: int = 50
    """How many of the user's last known items are read."""


READINGS = (
    Reading("popular"),
    Reading("transitions", decay=0.5, newest=6),
    Reading("transitions", newest=1),
    Reading("ease", decay=0.97),
    Reading("ease", decay=0.8),
)
SEQUENTIAL = Reading("transformer")
"""Read from the order and the times themselves."""


class Found(NamedTuple):
    """Of a batch of users; `features` has one row of FEATURES for each reading, in their order."""

    features: Tensor  # (users, items, readings * FEATURES) float32
    retrieved: Tensor  # (users, items) bool


class Blend(nn.Module):
    """`weights` is (readings * FEATURES,), `share` (items,) as that of `Transitions`."""

    weights: Tensor
    share: Tensor
    positive: Tensor  # (256,) bool by kind code

    def __init__(
        self, vocabulary: Vocabulary, share: Tensor, sources: Mapping[str, Sparse],
        readings: Sequence[Reading] = READINGS, weights: Tensor | None = None,
        transformer: Transformer | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.vocabulary = vocabulary
        self.readings = tuple(readings)
        self.sources = nn.ModuleDict(sources)
        self.transformer = transformer
        self.retrieved = min(RETRIEVED, len(vocabulary))
        positive = torch.zeros(256, dtype=torch.bool)
        positive[[KIND_CODES[kind] for kind in POSITIVE_KINDS]] = True
        even = torch.ones(len(self.readings) * FEATURES)
        self.register_buffer("weights", even if weights is None else weights)
        self.register_buffer("share", share)
        self.register_buffer("positive", positive)

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(reading.source for reading in self.readings))

    def only(self, parts: Sequence[str]) -> "Blend":
        """The same sources with these parts switched on alone, all weights even again."""
        readings = [reading for reading in self.readings if reading.source in parts]
        sources = {n: s for n, s in self.sources.items() if n in parts and isinstance(s, Sparse)}
        kept = self.transformer if SEQUENTIAL in readings else None
        return Blend(self.vocabulary, self.share, sources, readings, transformer=kept)

    def weighed(self, weights: Tensor) -> "Blend":
        """The same sources under these weights."""
        sources = {name: s for name, s in self.sources.items() if isinstance(s, Sparse)}
        return Blend(self.vocabulary, self.share, sources, self.readings, weights, self.transformer)

    def joined_by(self, transformer: Transformer) -> "Blend":
        """With one source more; all weights are even again."""
        sources = {name: s for name, s in self.sources.items() if isinstance(s, Sparse)}
        readings = (*self.readings, SEQUENTIAL)
        return Blend(self.vocabulary, self.share, sources, readings, transformer=transformer)

    def find(self, history: Tensor, kinds: Tensor, times: Tensor, exclude: Tensor) -> Found:
        """What `forward` is given; every item that is not excluded has its features."""
        place, age = self._read(history, kinds)  # (users, H) each
        barred = self._barred(exclude)  # (users, items)
        retrieved = torch.zeros_like(barred)  # (users, items)
        features = []
        for reading in self.readings:
            scores = self._scores(reading, place, age, times).masked_fill(
                barred, 0
            )  # (users, items)
            best, top = _top(scores, self.retrieved)  # (users, retrieved)
            steps = torch.arange(self.retrieved, device=scores.device)  # (retrieved,)
            height = 1 - torch.log1p(steps) / math.log1p(self.retrieved)  # (retrieved,)
            height = torch.where(best > 0, height, 0)  # (users, retrieved)
            stands = torch.zeros_like(scores).scatter_(1, top, height)  # (users, items)
            features += [scores / best[:, :1].clamp(min=_LEAST_BEST), stands]
            retrieved |= stands > 0
        return Found(torch.stack(features, 2), retrieved)

    @torch.inference_mode()
    def forward(
        self, history: Tensor, kinds: Tensor, values: Tensor, times: Tensor, exclude: Tensor,
        k: Tensor,
    ) -> Slates:  # fmt: skip
        """`history` (users, H) and `exclude` (users, E) are images, `k` is (users,). Newest first.

        `values` are part of the serving contract; the blend does not read them.
        """
        del values
        width = int(k.max())
        found = self.find(history, kinds, times, exclude)
        scores = (found.features @ self.weights).masked_fill(~found.retrieved, -1)  # (users, items)
        best, items = _top(scores, min(width, len(self.vocabulary)))  # (users, width')
        steps = torch.arange(items.shape[1], device=items.device)  # (width',)
        there = (best > 0) & (steps < k[:, None])  # (users, width')
        at = items[:, :, None].expand(-1, -1, found.features.shape[2])  # (users, width', F)
        says = found.features.gather(1, at) * self.weights  # (users, width', F)
        reading = says.view(*items.shape, -1, FEATURES).sum(3).argmax(2)  # (users, width')
        codes = torch.tensor(
            [SOURCES.index(reading.source) for reading in self.readings], device=items.device
        )  # (readings,)
        because = self._because(history, kinds, items, reading)  # (users, width')

        def padded(table: Tensor, absent: float) -> Tensor:
            kept = torch.where(there, table, absent)  # (users, width')
            return nn.functional.pad(kept, (0, width - kept.shape[1]), value=absent)

        images = torch.full((len(history), width), NO_IMAGE, device=items.device)
        reasons = images.clone()  # (users, width)
        images[:, : items.shape[1]][there] = self.vocabulary.images[items[there]]
        reasons[:, : items.shape[1]][there] = because[there]
        return Slates(images, padded(best, 0.0), padded(codes[reading], NONE), reasons)

    def _read(self, history: Tensor, kinds: Tensor) -> tuple[Tensor, Tensor]:
        """Places (users, H), -1 where an item is not read, and how old each is among the known."""
        place = self.vocabulary.find(history)  # (users, H)
        place = torch.where(self.positive[kinds], place, -1)  # (users, H)
        return place, (place >= 0).cumsum(1) - 1

    def _barred(self, exclude: Tensor) -> Tensor:
        barred = self.vocabulary.find(exclude)  # (users, E)
        row, at = (barred >= 0).nonzero(as_tuple=True)  # (X,)
        table = torch.zeros(
            (len(exclude), len(self.vocabulary)), dtype=torch.bool, device=exclude.device
        )
        table[row, barred[row, at]] = True
        return table  # (users, items)

    def _scores(self, reading: Reading, place: Tensor, age: Tensor, times: Tensor) -> Tensor:
        if reading == SEQUENTIAL and self.transformer is not None:
            return _following(self.transformer, place, age, times)  # (users, items)
        if reading.source not in self.sources:
            return self.share.expand(len(place), -1)  # (users, items)
        source: Sparse = self.sources[reading.source]  # type: ignore[assignment]
        return source.scores(place, _trust(reading, age))  # (users, items)

    def _because(self, history: Tensor, kinds: Tensor, items: Tensor, reading: Tensor) -> Tensor:
        """The history item that weighed most in the reading that did, (users, C) images."""
        place, age = self._read(history, kinds)  # (users, H)
        because = torch.full_like(items, NO_IMAGE)  # (users, C)
        for number, read in enumerate(self.readings):
            if read.source not in self.sources:
                continue
            source: Sparse = self.sources[read.source]  # type: ignore[assignment]
            told, slot = source.told_by(place, _trust(read, age), items).max(2)  # (users, C)
            chosen = (reading == number) & (told > 0)  # (users, C)
            because = torch.where(chosen, history.gather(1, slot), because)
        return because


def _following(model: Transformer, place: Tensor, age: Tensor, times: Tensor) -> Tensor:
    """How likely each item is the next one, (users, items); 0 for all where nothing is known."""
    length = model.settings.length
    user, slot = ((place >= 0) & (age < length)).nonzero(as_tuple=True)  # (R,)
    count = (place >= 0).sum(1).clamp(max=length)  # (users,)
    step = count[user] - 1 - age[user, slot]  # (R,) oldest first
    read = torch.full((len(place), length), -1, device=place.device)
    when = torch.zeros_like(read)
    read[user, step], when[user, step] = place[user, slot], times[user, slot]  # (users, length)
    chance = model.scores(model.newest(read, when)).softmax(1)  # (users, items)
    return chance * (count > 0)[:, None]


def _top(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The best `count` of (users, items), and where they stand, (users, count) each. Of equal
    scores the more popular item goes first, whatever the device: items are by popularity.
    """
    items = scores.shape[1]
    steps = torch.arange(items, device=scores.device, dtype=torch.float64)  # (items,)
    top = (scores.double() - _TIE * steps / items).topk(count, dim=1).indices  # (users, count)
    return scores.gather(1, top), top


def _trust(reading: Reading, age: Tensor) -> Tensor:
    """(users, H) ages to what each item of the history is multiplied with."""
    trust = reading.decay ** age.clamp(min=0).float()  # (users, H)
    return trust * (age < reading.newest)
