"""Texts as bags of words, weighed by how rare a word is: the floor that any encoder must beat.

Called by `inference.evaluation.cold`.
"""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def bags(texts: Sequence[str]) -> Tensor:
    """(items, words) sparse, of length 1: how often a word occurs times the logarithm of how few
    items have it.
    """
    counts = [Counter(re.findall(r"\w+", text.lower())) for text in texts]
    holders = Counter(word for count in counts for word in count)
    place = {word: number for number, word in enumerate(holders)}
    rows, columns, weights = [], [], []
    for row, count in enumerate(counts):
        rare = {w: n * float(np.log(len(texts) / holders[w])) for w, n in count.items()}
        size = sum(value**2 for value in rare.values()) ** 0.5
        for word, value in rare.items() if size else ():
            rows.append(row)
            columns.append(place[word])
            weights.append(value / size)
    shape = (len(texts), max(1, len(place)))
    places = torch.tensor([rows, columns])
    found = torch.sparse_coo_tensor(places, weights, shape, check_invariants=True)
    return found.float().coalesce()
