"""Where a transformer's items begin: each beside those that people turned to around it.

A table of chance has to find this out step by step. Begun here, a model that has learnt nothing yet
ranks by what goes with the newest item, and an epoch of a sparse log teaches what it is for: order.
The directions are the largest of the co-occurrences (a truncated SVD, as for GloVe-like vectors;
Levy and Goldberg, 2014), each divided by the root of what both items have of them.

The same sequences give the same table. Called by `epochs`.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from inference.training.sequences import Sequences

_REACH = 4
"""Items apart that still go together, each worth one over how far."""
_ALONE = 0.2
"""What an item has in common with itself, so that one which nobody else's history holds is
somewhere too."""
_SPARE = 16
"""Directions more than are wanted, so that those wanted are found well (Halko et al., 2011)."""
_ROUNDS = 3


def beginning(sequences: Sequences, items: int, dim: int) -> Tensor:
    """(items, dim), rows of length 1, or 0 for an item that none of so many directions knows."""
    table = _together(sequences, items)  # (items, items) sparse
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        wanted = min(dim + _SPARE, items)
        left, strength, _ = torch.svd_lowrank(table, q=wanted, niter=_ROUNDS)
    found = (left * strength.sqrt())[:, :dim]  # (items, dim or less)
    return functional.normalize(functional.pad(found, (0, dim - found.shape[1])), dim=1)


def _together(sequences: Sequences, items: int) -> Tensor:
    user = np.repeat(np.arange(len(sequences.starts) - 1), np.diff(sequences.starts))  # (rows,)
    alone = np.arange(items)
    rows, columns, weights = [alone], [alone], [np.full(items, _ALONE)]
    for apart in range(1, _REACH + 1):
        same = user[apart:] == user[:-apart]  # (rows - apart,)
        one, other = sequences.places[:-apart][same], sequences.places[apart:][same]
        rows += [one, other]
        columns += [other, one]
        weights += [np.full(2 * len(one), 1 / apart)]
    row, column, weight = (np.concatenate(parts) for parts in (rows, columns, weights))
    often = np.bincount(row[items:], weight[items:], items)  # (items,)
    weight[items:] /= np.sqrt(often[row[items:]] * often[column[items:]])
    places = torch.from_numpy(np.stack([row, column]))  # (2, entries)
    values = torch.from_numpy(weight).float()  # (entries,)
    shape = (items, items)
    return torch.sparse_coo_tensor(places, values, shape, check_invariants=True).coalesce()
