"""The item table in fewer bytes: it is most of a model with many items.

int8     each row in whole steps of its own size, from -127 to 127: a quarter of the bytes.
product  a row is cut into parts, each of which is the nearest of at most 256 found by k-means
         (product quantisation, Jegou et al., 2011): one byte a part, and the parts themselves.

A table is unpacked when it is read, so a model keeps its shapes and its `scores`.
"""

import copy

import torch
from torch import Tensor, nn

from inference.compression.steps import in_steps
from inference.errors import CompressionError
from inference.models.transformer import Transformer

_CODES = 256
_ROUNDS = 15
"""Of k-means; later ones move next to nothing."""


class _Table(nn.Module):
    """What the transformer needs of its item table; the last row is that of no item, zero."""

    num_embeddings: int

    def rows(self, places: Tensor) -> Tensor:
        """(...) places to (..., dim) float32."""
        raise NotImplementedError

    def forward(self, places: Tensor) -> Tensor:
        return self.rows(places)

    @property
    def weight(self) -> Tensor:
        every = torch.arange(
            self.num_embeddings, device=next(self.buffers()).device
        )  # (items + 1,)
        return self.rows(every)  # (items + 1, dim)


class Int8Table(_Table):
    steps: Tensor  # (items + 1, dim) int8
    size: Tensor  # (items + 1, 1) float32, of one step

    def __init__(self, steps: Tensor, size: Tensor) -> None:
        super().__init__()
        self.num_embeddings = len(steps)
        self.register_buffer("steps", steps)
        self.register_buffer("size", size)

    @classmethod
    def of(cls, weight: Tensor) -> "Int8Table":
        return cls(*in_steps(weight))

    def rows(self, places: Tensor) -> Tensor:
        return self.steps[places] * self.size[places]  # (..., dim)


class ProductTable(_Table):
    codes: Tensor  # (items + 1, parts) uint8
    parts: Tensor  # (parts, codes, dim / parts) float32

    def __init__(self, codes: Tensor, parts: Tensor) -> None:
        super().__init__()
        self.num_embeddings = len(codes)
        self.register_buffer("codes", codes)
        self.register_buffer("parts", parts)

    @classmethod
    def of(cls, weight: Tensor, parts: int) -> "ProductTable":
        pieces = weight.view(len(weight), parts, -1)  # (items + 1, parts, dim / parts)
        found = [_k_means(pieces[:, part]) for part in range(parts)]
        codes = torch.stack([code for _, code in found], 1)  # (items + 1, parts)
        return cls(codes.to(torch.uint8), torch.stack([centre for centre, _ in found]))

    def rows(self, places: Tensor) -> Tensor:
        codes = self.codes[places].long()  # (..., parts)
        at = torch.arange(len(self.parts), device=codes.device)  # (parts,)
        found = self.parts[at, codes].flatten(-2)  # (..., dim)
        return found * (places < self.num_embeddings - 1)[..., None]  # (..., dim)


def int8_table(model: Transformer) -> Transformer:
    """At most half a step of a row's size beside the original, in each number."""
    return _with(model, Int8Table.of(model.table.weight.detach()))


def product_table(model: Transformer, parts: int) -> Transformer:
    """One byte for each of the `parts` of a row. Raises CompressionError where dim
    is no multiple of them.
    """
    dim = model.settings.dim
    if parts < 1 or dim % parts:
        raise CompressionError(f"rows of {dim} numbers cannot be cut into {parts} equal parts")
    return _with(model, ProductTable.of(model.table.weight.detach(), parts))


def _with(model: Transformer, table: _Table) -> Transformer:
    smaller = copy.deepcopy(model).eval()
    smaller.table = table  # type: ignore[assignment] # it has what the transformer reads of one
    return smaller


def _k_means(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Centres (codes, width) and the nearest of each row, (rows,). Begins with rows drawn evenly,
    so equal rows give equal centres.
    """
    codes = min(_CODES, len(rows))
    step = len(rows) / codes
    centres = rows[(torch.arange(codes) * step).long()].clone()  # (codes, width)
    nearest = torch.cdist(rows, centres).argmin(1)  # (rows,)
    for _ in range(_ROUNDS):
        sums = torch.zeros_like(centres).index_add_(0, nearest, rows)  # (codes, width)
        count = nearest.bincount(minlength=codes)[:, None]  # (codes, 1)
        centres = torch.where(count > 0, sums / count.clamp(min=1), centres)  # (codes, width)
        nearest = torch.cdist(rows, centres).argmin(1)  # (rows,)
    return centres, nearest
