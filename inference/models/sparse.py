"""Weights from item to item, most of them zero: what the counting sources of the blend are made of.

In CSR form: the successors of item a and their weights stand from starts[a] to starts[a + 1], by
successor. `Transitions` holds the same three tensors.
"""

import torch
from torch import Tensor, nn


class Sparse(nn.Module):
    starts: Tensor  # (items + 1,) int64
    successors: Tensor  # (entries,) int64, ascending within an item
    weights: Tensor  # (entries,) float32
    keys: Tensor  # (entries,) int64, item and successor as one ascending number

    def __init__(self, starts: Tensor, successors: Tensor, weights: Tensor) -> None:
        super().__init__()
        items = len(starts) - 1
        source = torch.repeat_interleave(torch.arange(items), starts.diff())  # (entries,)
        self.register_buffer("starts", starts)
        self.register_buffer("successors", successors)
        self.register_buffer("weights", weights)
        self.register_buffer("keys", source * items + successors, persistent=False)

    @property
    def items(self) -> int:
        return len(self.starts) - 1

    def scores(self, places: Tensor, trust: Tensor) -> Tensor:
        """`places` (users, H) with -1 for none, `trust` (users, H) what each is multiplied with;
        gives the sum for every item, (users, items).
        """
        user, slot = ((places >= 0) & (trust > 0)).nonzero(as_tuple=True)  # (R,)
        source = places[user, slot]  # (R,)
        begin, count = self.starts[source], self.starts[source + 1] - self.starts[source]  # (R,)
        reading = torch.repeat_interleave(torch.arange(len(source), device=source.device), count)
        within = torch.arange(len(reading), device=source.device)
        entry = begin[reading] + within - (count.cumsum(0) - count)[reading]  # (T,)
        weight = self.weights[entry] * trust[user, slot][reading]  # (T,)
        told = user[reading] * self.items + self.successors[entry]  # (T,)
        summed = torch.zeros(len(places) * self.items, device=source.device)
        return summed.index_add_(0, told, weight).view(len(places), self.items)

    def told_by(self, places: Tensor, trust: Tensor, of: Tensor) -> Tensor:
        """What each place says of each item in `of` (users, C): (users, C, H)."""
        wanted = places[:, None, :] * self.items + of[:, :, None]  # (users, C, H)
        if not len(self.keys):
            return torch.zeros_like(wanted, dtype=torch.float32)
        at = torch.searchsorted(self.keys, wanted.clamp(min=0)).clamp_(max=len(self.keys) - 1)
        found = (self.keys[at] == wanted) & (places >= 0)[:, None, :]  # (users, C, H)
        return torch.where(found, self.weights[at], 0) * trust[:, None, :]  # (users, C, H)
