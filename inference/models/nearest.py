"""Of each item those that lie nearest: what `content` and the text source of the blend are made of.

Items are rows of length 1, of tags or of a text encoder. Of each only so many are kept, of equally
near ones the more popular. Fitted once; never reads ids, files or clocks.
"""

import torch
from torch import Tensor

from inference.models.sparse import Sparse

_ITEMS_AT_ONCE = 256
"""Bounds memory: so many rows of (items, items) are dense at a time."""
TIE = 1e-6
"""Below what two different cosines lie apart, above float32's grain."""


def nearest(rows: Tensor, kept: int) -> Sparse:
    """`rows` is (items, dim), sparse or dense, the most popular item first, each of length 1 or 0.
    Row a of the result holds the cosines of what is nearest to a; none where a is 0, and none below
    0: nothing speaks against an item.
    """
    items, kept = len(rows), min(kept, len(rows))
    later = TIE * torch.arange(items) / items  # (items,)
    sources, successors, weights = [], [], []
    for begin in range(0, items, _ITEMS_AT_ONCE):
        some = torch.arange(begin, min(begin + _ITEMS_AT_ONCE, items))  # (some,)
        alike = _cosines(rows, some)  # (some, items)
        alike[some - begin, some] = 0
        _, top = (alike - later).topk(kept, dim=1)  # (some, kept)
        cosine = alike.gather(1, top)  # (some, kept)
        row, at = (cosine > 2 * TIE).nonzero(as_tuple=True)  # (entries,)
        sources.append(row + begin)
        successors.append(top[row, at])
        weights.append(cosine[row, at])
    source, successor = torch.cat(sources), torch.cat(successors)  # (entries,)
    order = (source * items + successor).argsort()  # (entries,) by source and successor
    starts = torch.searchsorted(source, torch.arange(items + 1))  # (items + 1,)
    return Sparse(starts, successor[order], torch.cat(weights)[order])


def _cosines(rows: Tensor, some: Tensor) -> Tensor:
    """(some,) places to (some, items)."""
    if not rows.is_sparse:
        return rows[some] @ rows.T
    dense = rows.index_select(0, some).to_dense()  # (some, dim)
    found: Tensor = torch.sparse.mm(rows, dense.T).T  # (some, items)
    return found
