"""The blend: every source retrieves, then one ranker orders what was found.

A source says for each user how much speaks for each item. It may be read in several ways, which
differ in how fast an item of the history loses weight with its age. Each reading retrieves its
best `RETRIEVED` items and gives the ranker two features of every item: how near its score comes to
the reading's best (1 for the best, 0 for a ten-thousandth of it or less, even by factors between),
and how high it stands (1 at the top, 0 where it was not retrieved). So what the ranker adds up,
features times weights, multiplies what the sources hold likely. `fit_ranker` finds the weights on
held-out items; none is below 0, so more that speaks for an item never lowers it, and someone
unknown is shown what is popular.

Called like `Transitions`, through `inference.models.answer`. Never reads ids, files or clocks.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from inference.data.interactions import POSITIVE_KINDS
from inference.models.sparse import Sparse, Told
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
_FAR = 1e-4
"""Of a reading's best score: what is no more than that is not near it at all."""

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
    even: bool = False
    """Whether each item says as much in all as any other, so that those of which little is known
    are not drowned by those of which much is.
    """


READINGS = (
    Reading("popular"),
    Reading("transitions", decay=0.5, newest=6),
    Reading("transitions", newest=1),
    Reading("transitions", decay=0.7, newest=12, even=True),
    Reading("ease", decay=0.97),
    Reading("ease", decay=0.8),
    Reading("content", decay=0.8, newest=12),
    Reading("content", newest=1),
    Reading("text", decay=0.8, newest=12),
)
SEQUENTIAL = Reading("transformer")
"""Read from the order and the times themselves."""


class Found(NamedTuple):
    """Of a batch of users; `features` has one row of FEATURES for each reading, in their order."""

    features: Tensor  # (users, items, readings * FEATURES) float32
    retrieved: Tensor  # (users, items) bool


class _Heard(NamedTuple):
    """Histories as the sources take them; of each source one row of `trusts` a reading."""

    history: Tensor  # (users, H) int64 images
    place: Tensor  # (users, H) int64, -1 where an item is not read
    age: Tensor  # (users, H) int64, of the items read 0 is the newest
    trusts: Mapping[str, Tensor]  # (readings, users, H) float32 each
    told: Mapping[str, Told]


class _View(NamedTuple):
    """The two features of a reading, (users, items) float32 each."""

    near: Tensor
    stands: Tensor


class Blend(nn.Module):
    """`weights` is (readings * FEATURES,), `share` (items,) as that of `Transitions`."""

    weights: Tensor
    share: Tensor
    positive: Tensor  # (256,) bool by kind code
    heights: Tensor  # (retrieved + 1,) float32, what a place is worth; 0 behind the last
    codes: Tensor  # (readings,) int64, places in SOURCES

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
        steps = torch.arange(self.retrieved)  # (retrieved,)
        heights = 1 - torch.log1p(steps) / math.log1p(self.retrieved)  # (retrieved,)
        codes = torch.tensor([SOURCES.index(reading.source) for reading in self.readings])
        self.register_buffer("heights", nn.functional.pad(heights, (0, 1)))
        self.register_buffer("codes", codes)

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(reading.source for reading in self.readings))

    @property
    def counted(self) -> dict[str, Sparse]:
        return {name: s for name, s in self.sources.items() if isinstance(s, Sparse)}

    def only(self, parts: Sequence[str]) -> "Blend":
        """The same sources with these parts switched on alone, all weights even again."""
        readings = [reading for reading in self.readings if reading.source in parts]
        sources = {name: s for name, s in self.counted.items() if name in parts}
        kept = self.transformer if SEQUENTIAL in readings else None
        return Blend(self.vocabulary, self.share, sources, readings, transformer=kept)

    def weighed(self, weights: Tensor) -> "Blend":
        """The same sources under these weights."""
        return Blend(
            self.vocabulary, self.share, self.counted, self.readings, weights, self.transformer
        )

    def joined_by(self, transformer: Transformer) -> "Blend":
        """With one source more; all weights are even again."""
        readings = (*self.readings, SEQUENTIAL)
        return Blend(self.vocabulary, self.share, self.counted, readings, transformer=transformer)

    def with_transformer(self, transformer: Transformer) -> "Blend":
        """Another one in the place of its own, under the same weights."""
        return Blend(
            self.vocabulary, self.share, self.counted, self.readings, self.weights, transformer
        )

    def find(self, history: Tensor, kinds: Tensor, times: Tensor, exclude: Tensor) -> Found:
        """What `forward` is given; every item that is not excluded has its features."""
        heard = self._heard(history, kinds)
        views = list(self._views(heard, times, self._barred(exclude)))
        retrieved = torch.stack([view.stands for view in views]).amax(0) > 0  # (users, items)
        return Found(torch.stack([table for view in views for table in view], 2), retrieved)

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
        heard = self._heard(history, kinds)
        views = list(self._views(heard, times, self._barred(exclude)))
        total = torch.zeros_like(views[0].near)  # (users, items)
        retrieved = torch.zeros_like(total, dtype=torch.bool)  # (users, items)
        for view, (of_score, of_height) in zip(views, self._weights(), strict=True):
            total.add_(view.near, alpha=of_score).add_(view.stands, alpha=of_height)
            retrieved |= view.stands > 0
        total.masked_fill_(~retrieved, -1)
        best, items = _top(total, min(width, len(self.vocabulary)))  # (users, width')
        steps = torch.arange(items.shape[1], device=items.device)  # (width',)
        there = (best > 0) & (steps < k[:, None])  # (users, width')
        says = torch.stack([
            view.near.gather(1, items) * of_score + view.stands.gather(1, items) * of_height
            for view, (of_score, of_height) in zip(views, self._weights(), strict=True)
        ])  # (readings, users, width')  # fmt: skip
        reading = says.argmax(0)  # (users, width')
        because = self._because(heard, items, reading)  # (users, width')

        def padded(table: Tensor, absent: float) -> Tensor:
            kept = torch.where(there, table, absent)  # (users, width')
            return nn.functional.pad(kept, (0, width - kept.shape[1]), value=absent)

        images = torch.full((len(history), width), NO_IMAGE, device=items.device)
        reasons = images.clone()  # (users, width)
        images[:, : items.shape[1]][there] = self.vocabulary.images[items[there]]
        reasons[:, : items.shape[1]][there] = because[there]
        return Slates(images, padded(best, 0.0), padded(self.codes[reading], NONE), reasons)

    def _weights(self) -> list[list[float]]:
        """(readings, FEATURES)."""
        weights: list[list[float]] = self.weights.view(-1, FEATURES).tolist()
        return weights

    def _heard(self, history: Tensor, kinds: Tensor) -> _Heard:
        place = self.vocabulary.find(history)  # (users, H)
        place = torch.where(self.positive[kinds], place, -1)  # (users, H)
        age = (place >= 0).cumsum(1) - 1  # (users, H), of the known ones 0 is the newest
        trusts, told = {}, {}
        for name, source in self.counted.items():
            readings = [reading for reading in self.readings if reading.source == name]
            trusts[name] = torch.stack([_trust(r, age, source, place) for r in readings])
            told[name] = source.told(place, trusts[name].amax(0) > 0)
        return _Heard(history, place, age, trusts, told)

    def _barred(self, exclude: Tensor) -> Tensor:
        barred = self.vocabulary.find(exclude)  # (users, E)
        row, at = (barred >= 0).nonzero(as_tuple=True)  # (X,)
        table = torch.zeros(
            (len(exclude), len(self.vocabulary)), dtype=torch.bool, device=exclude.device
        )
        table[row, barred[row, at]] = True
        return table  # (users, items)

    def _views(self, heard: _Heard, times: Tensor, barred: Tensor) -> Iterator[_View]:
        """One for each reading; barred items, (users, items), are nothing in all of them."""
        taken, counted = Counter[str](), self.counted
        for reading in self.readings:
            if reading == SEQUENTIAL and self.transformer is not None:
                scores = _following(self.transformer, heard.place, heard.age, times)
            elif (source := counted.get(reading.source)) is not None:
                trust = heard.trusts[reading.source][taken[reading.source]]  # (users, H)
                scores = source.scores(heard.told[reading.source], trust)
            else:
                yield self._popular(barred)
                continue
            taken[reading.source] += 1
            scores.masked_fill_(barred, 0)  # (users, items)
            best, top = _top(scores, self.retrieved)  # (users, retrieved)
            height = torch.where(best > 0, self.heights[:-1], 0)  # (users, retrieved)
            stands = torch.zeros_like(scores).scatter_(1, top, height)  # (users, items)
            yield _View(_near(scores, best[:, :1]), stands)

    def _popular(self, barred: Tensor) -> _View:
        """Items are by popularity, so where one stands is counted and not sorted."""
        rank = (~barred).cumsum(1, dtype=torch.int32) - 1  # (users, items)
        rank = rank.clamp_(max=self.retrieved).masked_fill_(barred, self.retrieved)
        stands = self.heights.index_select(0, rank.flatten()).view(rank.shape)  # (users, items)
        scores = self.share.expand(len(barred), -1).masked_fill(barred, 0)  # (users, items)
        return _View(_near(scores, scores.amax(1, keepdim=True)), stands)

    def _because(self, heard: _Heard, items: Tensor, reading: Tensor) -> Tensor:
        """The history item that weighed most in the reading that did, (users, C) images."""
        nothing = torch.full_like(heard.history[:, :1], NO_IMAGE)  # (users, 1)
        images = torch.cat([heard.history, nothing], 1)  # (users, H + 1)
        slots = torch.full_like(items, heard.history.shape[1])  # (users, C)
        for name, source in self.counted.items():
            under = torch.full_like(items, -1)  # (users, C)
            numbers = [n for n, read in enumerate(self.readings) if read.source == name]
            for at, number in enumerate(numbers):
                under[reading == number] = at
            found = source.most(heard.told[name], heard.trusts[name], items, under)
            slots = torch.minimum(slots, found)  # only one source was asked for each
        return images.gather(1, slots)


def _near(scores: Tensor, best: Tensor) -> Tensor:
    """(users, items) in the place of the scores; `best` is (users, 1)."""
    scores.div_(best.clamp(min=_LEAST_BEST)).clamp_(min=_FAR)  # (users, items)
    return scores.log_().div_(-math.log(_FAR)).add_(1)  # (users, items)


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


def _trust(reading: Reading, age: Tensor, source: Sparse, place: Tensor) -> Tensor:
    """(users, H) ages and places to what each item of the history is multiplied with."""
    trust = reading.decay ** age.clamp(min=0).float()  # (users, H)
    if reading.even:
        trust = trust / source.totals[place.clamp(min=0)].clamp(min=_LEAST_BEST)  # (users, H)
    return trust * (age < reading.newest)
