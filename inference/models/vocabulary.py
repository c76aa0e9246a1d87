"""The items that a model knows: 64-bit hashes in, places in the model's tables out, and back.

torch has no searching in unsigned 64-bit numbers, so inside the model a hash is its *image*: the
signed number that orders the same way (the top bit flipped).
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from inference.errors import DataError

_TOP_BIT = np.uint64(1 << 63)


def to_images(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Same shape, same order, signed."""
    return (hashes ^ _TOP_BIT).view(np.int64)


def to_hashes(images: NDArray[np.int64]) -> NDArray[np.uint64]:
    """The inverse of to_images."""
    return images.view(np.uint64) ^ _TOP_BIT


NO_IMAGE = int(to_images(np.zeros(1, np.uint64))[0])
"""The image of schemas.identifiers.NO_ITEM."""


def check_distinct(hashes: NDArray[np.uint64], ids: Sequence[str]) -> None:
    """Raises DataError where two items have one hash: the model could not tell them apart."""
    order = np.argsort(hashes, kind="stable")
    same = np.flatnonzero(hashes[order][1:] == hashes[order][:-1])
    if len(same):
        first, second = ids[order[same[0]]], ids[order[same[0] + 1]]
        raise DataError(f"the items {first!r} and {second!r} have the same hash; rename one")


class Vocabulary(nn.Module):
    """Finds items. Made from the hashes by place, (items,) uint64, all different and not 0."""

    images: Tensor  # (items,) int64 by place
    sorted_images: Tensor  # (items,) int64 ascending
    place_of_sorted: Tensor  # (items,) int64

    def __init__(self, hashes: NDArray[np.uint64]) -> None:
        super().__init__()
        images = torch.from_numpy(to_images(hashes))  # (items,)
        ascending, places = images.sort()
        self.register_buffer("images", images)
        self.register_buffer("sorted_images", ascending)
        self.register_buffer("place_of_sorted", places)

    def __len__(self) -> int:
        return len(self.images)

    def find(self, images: Tensor) -> Tensor:
        """The place of each, -1 where it is not known; any shape."""
        at = torch.searchsorted(self.sorted_images, images).clamp_(max=len(self) - 1)
        known = self.sorted_images[at] == images
        return torch.where(known, self.place_of_sorted[at], -1)
