"""Weights from item to item, most of them zero: what the counting sources of the blend are made of.

In CSR form: the successors of item a and their weights stand from starts[a] to starts[a + 1], by
successor. `Transitions` holds the same three tensors.

Entries are taken by `index_select`, which is several times as fast here as indexing.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Told(NamedTuple):
    """What the items of some histories say: one entry for each item read and each that it speaks
    for.
    """

    read: Tensor  # (R,) int64, place of each item read in the flat (users, H)
    by: Tensor  # (T,) int64, which of those read speaks
    of: Tensor  # (T,) int64, user * items + item spoken for
    weights: Tensor  # (T,) float32


class Sparse(nn.Module):
    starts: Tensor  # (items + 1,) int64
    successors: Tensor  # (entries,) int64, ascending within an item
    weights: Tensor  # (entries,) float32
    totals: Tensor  # (items,) float32, what each item says of all others together

    def __init__(self, starts: Tensor, successors: Tensor, weights: Tensor) -> None:
        super().__init__()
        of = torch.repeat_interleave(starts.diff())  # (entries,)
        totals = torch.zeros(len(starts) - 1).index_add_(0, of, weights)  # (items,)
        self.register_buffer("totals", totals, persistent=False)
        self.register_buffer("starts", starts)
        self.register_buffer("successors", successors)
        self.register_buffer("weights", weights)

    @property
    def items(self) -> int:
        return len(self.starts) - 1

    def told(self, places: Tensor, wanted: Tensor) -> Told:
        """`places` is (users, H), -1 where there is no item; `wanted` (users, H) says what is read
        of it.
        """
        read = ((places >= 0) & wanted).flatten().nonzero()[:, 0]  # (R,)
        source = places.flatten().index_select(0, read)  # (R,)
        begin = self.starts.index_select(0, source)  # (R,)
        count = self.starts.index_select(0, source + 1) - begin  # (R,)
        end = count.cumsum(0)  # (R,)
        by = torch.repeat_interleave(count)  # (T,)
        steps = torch.arange(len(by), device=by.device)  # (T,)
        entry = steps + (begin - end + count).index_select(0, by)  # (T,)
        user = (read // places.shape[1] * self.items).index_select(0, by)  # (T,)
        of = self.successors.index_select(0, entry) + user  # (T,)
        return Told(read, by, of, self.weights.index_select(0, entry))

    def scores(self, told: Told, trust: Tensor) -> Tensor:
        """`trust` (users, H) is what each item read is multiplied with; gives the sum for every
        item, (users, items).
        """
        each = trust.flatten().index_select(0, told.read)  # (R,)
        said = told.weights * each.index_select(0, told.by)  # (T,)
        summed = torch.zeros(len(trust) * self.items, device=trust.device)
        return summed.index_add_(0, told.of, said).view(len(trust), self.items)

    def most(self, told: Told, trusts: Tensor, items: Tensor, under: Tensor) -> Tensor:
        """Which item of the history says most for each of `items` (users, C), the newest such:
        slots (users, C), H where none does. `trusts` is (N, users, H), `under` (users, C) the one
        of N that counts for each, -1 for none.
        """
        (users, candidates), length = items.shape, trusts.shape[2]
        asked = (under >= 0).flatten().nonzero()[:, 0]  # (A,)
        user = torch.arange(users, device=items.device)[:, None] * self.items  # (users, 1)
        number = torch.full((users * self.items,), -1, device=items.device)
        number[(items + user).flatten()[asked]] = asked
        at = number.index_select(0, told.of)  # (T,)
        kept = (at >= 0).nonzero()[:, 0]  # (S,) few of T
        at = at.index_select(0, kept)  # (S,)
        read = told.read[told.by[kept]]  # (S,)
        said = told.weights[kept] * trusts.flatten(1)[under.flatten()[at], read]  # (S,)
        strongest = torch.zeros(users * candidates, device=items.device)
        strongest.scatter_reduce_(0, at, said, "amax")  # (users * C,)
        told_by = (said > 0) & (said == strongest[at])  # (S,)
        slots = torch.full((users * candidates,), length, device=items.device)
        slots.scatter_reduce_(0, at[told_by], (read % length)[told_by], "amin")  # (users * C,)
        return slots.view(users, candidates)
