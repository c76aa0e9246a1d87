"""The sequential transformer: one family of two relatives, told apart by a setting.

`sasrec` (Kang and McAuley, 2018) attends by softmax and has a feed-forward layer after it; `hstu`
(Zhai et al., 2024) weighs each pair by itself with SiLU and gates what it found. In both, how far
two items lie apart, in places and in time, adds a learnt bias to their attention, so no place has
an embedding of its own and a history may be cut at any length. The item table is the input and,
transposed, the output.

A sequence is oldest first and padded at its end with -1. Never reads ids, files or clocks. Fitted
by `inference.training`, asked by `inference.models.blend`.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

_TIME_BUCKETS = 33
"""Gaps of 0 s, 1 s, 2 to 3 s, 4 to 7 s ... and above 2^31 s, which is 68 years."""

WIDE_FROM = 500_000
"""Interactions."""


@dataclass(frozen=True)
class TransformerSettings:
    """Usual values; none of them was chosen on a test."""

    style: Literal["sasrec", "hstu"] = "sasrec"
    dim: int = 64
    blocks: int = 2
    heads: int = 2
    length: int = 50
    """Items of a history that are read, the newest; what a worker sends at most."""
    dropout: float = 0.3
    timed: bool = True
    """Whether times are times; where they are only places, they say nothing more than those."""

    @classmethod
    def usual(cls, interactions: int, *, timed: bool) -> "TransformerSettings":
        """For a log of so many: twice as wide where there is so much to learn from, decision 37."""
        return cls(dim=128 if interactions >= WIDE_FROM else 64, timed=timed)


class Transformer(nn.Module):
    """Items are numbers from 0; `items` says how many there are."""

    powers_s: Tensor  # (buckets - 1,) int64, where each bucket of gaps begins

    def __init__(self, items: int, settings: TransformerSettings) -> None:
        super().__init__()
        self.settings = settings
        self.table = nn.Embedding(items + 1, settings.dim, padding_idx=items)
        self.blocks = nn.ModuleList(Block(settings) for _ in range(settings.blocks))
        self.last = nn.LayerNorm(settings.dim)
        self.drop = nn.Dropout(settings.dropout)
        self.register_buffer("powers_s", 2 ** torch.arange(_TIME_BUCKETS - 1), persistent=False)
        with torch.no_grad():
            self.table.weight[:items].normal_(std=settings.dim**-0.5)

    def forward(self, places: Tensor, times: Tensor) -> Tensor:
        """`places` and `times` (ms) are (batch, length); gives each step's state (batch, length,
        dim), which has seen nothing after it.
        """
        gap_s = (times[:, :, None] - times[:, None, :]).clamp(min=0) // 1000  # (batch, L, L)
        buckets = torch.bucketize(gap_s, self.powers_s, right=True)  # (batch, L, L)
        known = torch.where(places < 0, self.table.num_embeddings - 1, places)  # (batch, L)
        state = self.drop(self.table(known) * self.settings.dim**0.5)  # (batch, L, dim)
        for block in self.blocks:
            state = block(state, buckets)  # (batch, L, dim)
        normal: Tensor = self.last(state)  # (batch, L, dim)
        return normal

    def newest(self, places: Tensor, times: Tensor) -> Tensor:
        """The last step's state of each sequence, (batch, dim); zero where there is no item."""
        count = (places >= 0).sum(1)  # (batch,)
        states = self(places, times)  # (batch, L, dim)
        # The shape and not len(), which an export would take for a constant.
        rows = torch.arange(places.shape[0], device=places.device)  # (batch,)
        newest: Tensor = states[rows, (count - 1).clamp(min=0)]  # (batch, dim)
        return newest * (count > 0)[:, None]  # (batch, dim)

    def scores(self, states: Tensor) -> Tensor:
        """(..., dim) to the logit of every item as the next one, (..., items)."""
        return states @ self.table.weight[:-1].T  # (..., items)


class Block(nn.Module):
    """Attention with what follows it; (batch, length, dim) in and out."""

    causal: Tensor  # (L, L) bool, whether the row may look at the column
    apart: Tensor  # (L, L) int64, places between them

    def __init__(self, settings: TransformerSettings) -> None:
        super().__init__()
        dim, length = settings.dim, settings.length
        self.heads, self.gated = settings.heads, settings.style == "hstu"
        self.timed = settings.timed
        self.before = nn.LayerNorm(dim)
        self.project = nn.Linear(dim, dim * (4 if self.gated else 3))
        self.place_bias = nn.Parameter(torch.zeros(settings.heads, length))
        self.time_bias = nn.Parameter(torch.zeros(settings.heads, _TIME_BUCKETS))
        self.mixed = nn.LayerNorm(dim)
        self.out = nn.Linear(dim, dim)
        wide = 2 * dim
        self.forth = (
            nn.Identity()
            if self.gated
            else nn.Sequential(
                nn.Linear(dim, wide), nn.GELU(), nn.Dropout(settings.dropout), nn.Linear(wide, dim)
            )
        )
        self.drop = nn.Dropout(settings.dropout)
        steps = torch.arange(length)  # (L,)
        apart = steps[:, None] - steps[None, :]  # (L, L)
        self.register_buffer("causal", apart >= 0, persistent=False)
        self.register_buffer("apart", apart.clamp(min=0), persistent=False)

    def forward(self, state: Tensor, buckets: Tensor) -> Tensor:
        batch, length, dim = state.shape
        normal = self.before(state)  # (batch, L, dim)
        parts = self.project(normal)  # (batch, L, 3 or 4 dim)
        if self.gated:
            parts = functional.silu(parts)  # (batch, L, 4 dim)
        # A batch may be empty, and then a length of -1 could not be told.
        many, wide = parts.shape[2] // dim, dim // self.heads
        each = parts.view(batch, length, many, self.heads, wide)  # (batch, L, 3|4, H, D)
        query, key, value, *gate = each.permute(2, 0, 3, 1, 4)  # (batch, H, L, D) each
        logits = query @ key.transpose(2, 3) / wide**0.5  # (batch, H, L, L)
        logits = logits + self.place_bias[:, self.apart[:length, :length]]  # (batch, H, L, L)
        if self.timed:
            logits = logits + self.time_bias[:, buckets].transpose(0, 1)  # (batch, H, L, L)
        causal = self.causal[:length, :length]  # (L, L)
        if self.gated:
            seen = causal.sum(1)[:, None]  # (L, 1)
            weight = functional.silu(logits) * causal / seen  # (batch, H, L, L)
        else:
            weight = logits.masked_fill(~causal, -torch.inf).softmax(3)  # (batch, H, L, L)
        found = (weight @ value).transpose(1, 2).reshape(batch, length, dim)  # (batch, L, dim)
        if self.gated:
            by = gate[0].transpose(1, 2).reshape(batch, length, dim)  # (batch, L, dim)
            gated: Tensor = state + self.drop(self.out(self.mixed(found) * by))  # (batch, L, dim)
            return gated
        state = state + self.drop(self.out(found))  # (batch, L, dim)
        after: Tensor = state + self.drop(self.forth(self.mixed(state)))  # (batch, L, dim)
        return after
