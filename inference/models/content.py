"""Content: which items are described alike, whoever turned to them.

An item is described by its categories and the words of its title. A tag that few items have weighs
more (the logarithm of how few), and two items are as alike as the cosine of their tags. Of each
item only the most alike are kept, of equal ones the more popular. So an item that few people have
turned to is found beside what it resembles.

Fitted by counting; never reads ids, files or clocks while it scores.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from inference.models.nearest import TIE, nearest
from inference.models.sparse import Sparse


@dataclass(frozen=True)
class ContentSettings:
    """Chosen on the validation items of Amazon Beauty, never on a test."""

    kept: int = 200
    """Items kept of each."""


def tags_of(title: str | None, categories: Iterable[str]) -> frozenset[str]:
    """Words of the title in lower case; categories whole, which differ from words by a mark."""
    words = re.findall(r"\w+", (title or "").lower())
    return frozenset([*words, *(f"category:{category}" for category in categories)])


def fit_content(tags: Sequence[Collection[str]], settings: ContentSettings) -> Sparse:
    """`tags` has one entry an item, the most popular item first. Row a of the result holds what
    items are like a; none where a has no tag that tells it from any other.
    """
    return nearest(_weighed(tags), settings.kept)


def _weighed(tags: Sequence[Collection[str]]) -> Tensor:
    """(items, tags) sparse: what each tag says of an item, rows of length 1 or 0."""
    holders = Counter(tag for of_item in tags for tag in of_item)
    place = {tag: number for number, tag in enumerate(sorted(holders))}
    rare = np.array([np.log(len(tags) / holders[tag]) for tag in place])  # (tags,)
    row = np.repeat(np.arange(len(tags)), [len(of_item) for of_item in tags])  # (said,)
    column = np.array([place[tag] for of_item in tags for tag in sorted(of_item)], np.int64)
    weight = rare[column]  # (said,)
    size = np.sqrt(np.bincount(row, weight**2, len(tags)))  # (items,)
    weight = weight / np.maximum(size[row], TIE)  # (said,)
    places = torch.from_numpy(np.stack([row, column]))  # (2, said)
    shape = (len(tags), max(1, len(place)))
    found = torch.sparse_coo_tensor(
        places, torch.from_numpy(weight).float(), shape, check_invariants=True
    )
    return found.coalesce()
