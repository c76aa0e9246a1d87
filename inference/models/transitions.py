"""The first model: what people turned to after an item, read from a user's last few items.

Fitted by counting. An item b that follows a at distance d (within `reach`) adds 1/d to a -> b;
each weight is then divided by the total of its source to the power `damping`, so that a popular
source says less about any one successor. A user's score for b is the sum over the last `read`
known items of decay^age * weight, plus a popularity term too small to do more than order ties and
fill up. Items are numbered by popularity, the most popular first.

Never reads ids, files or clocks while it scores; `inference.models.answer` calls it, in Triton,
in evaluation and for golden outputs alike.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from inference.data.interactions import POSITIVE_KINDS
from inference.models.vocabulary import NO_IMAGE, Vocabulary
from schemas.serving import SOURCES
from schemas.state import KIND_CODES

NONE, POPULAR, TRANSITIONS = (SOURCES.index(name) for name in ("none", "popular", "transitions"))
_POPULARITY_WEIGHT = 1e-6
"""Below what any transition of a usual log weighs, and above float32's grain for equal scores."""


@dataclass(frozen=True)
class TransitionSettings:
    """The defaults were chosen on the validation items of Amazon Beauty, never on a test."""

    reach: int = 4
    """How many items ahead a successor counts."""
    read: int = 6
    """How many of the user's last known items are read."""
    decay: float = 0.5
    """What an item weighs beside the next newer one."""
    damping: float = 0.5
    """The power of the source's total that its weights are divided by; 0 leaves the counts."""


class Slates(NamedTuple):
    """(users, widest k) each; places that a user did not ask for, or that cannot be filled, hold
    no item, score 0 and source none.
    """

    items: Tensor  # int64 images
    scores: Tensor  # float32, not ascending
    sources: Tensor  # int64, places in schemas.serving.SOURCES
    because: Tensor  # int64 images of the history items that weighed most


class Transitions(nn.Module):
    """Weights are a sparse matrix in CSR form: row a holds its successors and their weights."""

    starts: Tensor  # (items + 1,) int64
    successors: Tensor  # (entries,) int64
    weights: Tensor  # (entries,) float32
    share: Tensor  # (items,) float32, interactions relative to the most popular item's
    positive: Tensor  # (256,) bool by kind code

    def __init__(
        self, vocabulary: Vocabulary, starts: Tensor, successors: Tensor, weights: Tensor,
        popularity: Tensor, settings: TransitionSettings,
    ) -> None:  # fmt: skip
        super().__init__()
        self.vocabulary = vocabulary
        self.settings = settings
        positive = torch.zeros(256, dtype=torch.bool)
        positive[[KIND_CODES[kind] for kind in POSITIVE_KINDS]] = True
        self.register_buffer("starts", starts)
        self.register_buffer("successors", successors)
        self.register_buffer("weights", weights)
        self.register_buffer("share", (popularity / popularity.max()).float())
        self.register_buffer("positive", positive)

    @property
    def parts(self) -> tuple[str, ...]:
        return ("popular", "transitions")

    @torch.inference_mode()
    def forward(
        self, history: Tensor, kinds: Tensor, values: Tensor, times: Tensor, exclude: Tensor,
        k: Tensor,
    ) -> Slates:  # fmt: skip
        """`history` (users, H) and `exclude` (users, E) are images, `k` is (users,). Newest first.

        `values` and `times` are part of the serving contract; this model does not read them.
        """
        del values, times
        (users, length), items = history.shape, len(self.vocabulary)
        device = history.device
        width = int(k.max())
        offset = torch.arange(users, device=device)[:, None] * items  # (users, 1)

        # What is read of each user, and what followed it: one entry a (read item, successor).
        place = self.vocabulary.find(history)  # (users, H)
        known = (place >= 0) & self.positive[kinds]  # (users, H)
        age = known.cumsum(1) - 1  # (users, H), 0 is the newest known item
        user, slot = (known & (age < self.settings.read)).nonzero(as_tuple=True)  # (R,)
        source = place[user, slot]  # (R,)
        begin, end = self.starts[source], self.starts[source + 1]  # (R,)
        count = end - begin  # (R,)
        reading = torch.repeat_interleave(torch.arange(len(source), device=device), count)  # (T,)
        within = torch.arange(len(reading), device=device) - (count.cumsum(0) - count)[reading]
        entry = begin[reading] + within  # (T,)
        trust = self.settings.decay ** age[user, slot].float()  # (R,)
        weight = trust[reading] * self.weights[entry]  # (T,)
        followed = user[reading] * items + self.successors[entry]  # (T,) user and item as one key

        # So many popular items that enough are left when all that are excluded are among them.
        popular = min(items, width + exclude.shape[1])
        filling = (offset + torch.arange(popular, device=device)).flatten()  # (users * popular,)

        keys, at = torch.unique(torch.cat([followed, filling]), return_inverse=True)  # (C,)
        at = at[: len(followed)]  # (T,) which candidate an entry speaks for
        strength = torch.zeros(len(keys), device=device).index_add_(0, at, weight)  # (C,)
        most = torch.zeros_like(strength).scatter_reduce_(0, at, weight, "amax")  # (C,)
        told = weight == most[at]  # (T,) the entries that weigh most for their candidate
        because = torch.full_like(keys, length).scatter_reduce_(
            0, at[told], slot[reading][told], "amin"
        )  # (C,) the newest such history slot, or H

        barred = self.vocabulary.find(exclude)  # (users, E)
        barred = (offset + barred)[barred >= 0]  # (X,)
        allowed = torch.ones_like(keys, dtype=torch.bool)  # (C,)
        position = torch.searchsorted(keys, barred).clamp_(max=len(keys) - 1)  # (X,)
        allowed[position[keys[position] == barred]] = False

        # Keys ascend by (user, popularity), so stable sorts leave ties to the more popular item.
        keys, strength, because = keys[allowed], strength[allowed], because[allowed]  # (C',)
        user, item = keys // items, keys % items  # (C',)
        score = strength + _POPULARITY_WEIGHT * self.share[item]  # (C',)
        order = score.argsort(descending=True, stable=True)  # (C',)
        order = order[user[order].argsort(stable=True)]  # (C',) by (user, score)
        user, item, score = user[order], item[order], score[order]
        first = torch.searchsorted(user, torch.arange(users, device=device))  # (users,)
        rank = torch.arange(len(user), device=device) - first[user]  # (C',)
        kept = rank < k[user]  # (C',)

        row, column = user[kept], rank[kept]  # (S,)
        slots = because[order][kept]  # (S,)
        told_by = torch.cat([history, torch.full_like(history[:, :1], NO_IMAGE)], 1)[row, slots]
        sources = torch.where(strength[order][kept] > 0, TRANSITIONS, POPULAR)  # (S,)
        slates = Slates(
            torch.full((users, width), NO_IMAGE, device=device),
            torch.zeros((users, width), device=device),
            torch.full((users, width), NONE, device=device),
            torch.full((users, width), NO_IMAGE, device=device),
        )
        values_of = (self.vocabulary.images[item[kept]], score[kept], sources, told_by)
        for table, found in zip(slates, values_of, strict=True):
            table[row, column] = found
        return slates
