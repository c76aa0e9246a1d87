"""The sequences that a sequential model learns from: windows of each user's items, by like length.

A user with more items than a window holds gives several; where they are cut shifts with the epoch,
so that no item is always the first. The same seed and epoch give the same batches.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.data.interactions import Interactions


@dataclass(frozen=True)
class Batch:
    """`targets` are the items one step after `places`; -1 pads both at the end."""

    places: Tensor  # (batch, length) int64
    times: Tensor  # (batch, length) int64, ms
    targets: Tensor  # (batch, length) int64

    def part(self, rank: int, processes: int) -> "Batch":
        """Every so many-th row, so that each part has rows of every length; it may have none."""
        rows = slice(rank, None, processes)
        return Batch(self.places[rows], self.times[rows], self.targets[rows])

    def to(self, device: torch.device) -> "Batch":
        return Batch(self.places.to(device), self.times.to(device), self.targets.to(device))


@dataclass(frozen=True)
class Sequences:
    """Every user's items by (user, time). `starts` says where each user's begin."""

    places: NDArray[np.int64]  # (rows,) the model's numbers of the items
    times: NDArray[np.int64]  # (rows,) ms
    starts: NDArray[np.int64]  # (users + 1,)

    @classmethod
    def of(cls, log: Interactions, place: NDArray[np.int64]) -> "Sequences":
        """`place` is (items of the log,): each item's number in the model."""
        order, starts = log.by_user
        return cls(place[log.item[order]], log.time_ms[order], starts)

    def steps(self, length: int, size: int) -> int:
        """Batches of an epoch, at least 1; some epochs have a few more or less."""
        targets = np.maximum(np.diff(self.starts) - 1, 0)  # (users,)
        return max(1, -(-int((-(-targets // length)).sum()) // size))

    def batches(self, length: int, size: int, random: np.random.Generator) -> Iterator[Batch]:
        """All steps once, in random order. No step where no user has two items."""
        windows = np.array(self._windows(length, random), np.int64).reshape(-1, 2)
        windows = windows[random.permutation(len(windows))]  # (windows, 2) from and to
        by_length = np.argsort(windows[:, 1] - windows[:, 0], kind="stable")
        groups = [by_length[at : at + size] for at in range(0, len(windows), size)]
        for group in random.permutation(len(groups)):
            yield self._batch(windows[groups[group]])

    def _windows(self, length: int, random: np.random.Generator) -> list[tuple[int, int]]:
        """(from, to) of so many rows that each but the last is input and each but the first a
        target.
        """
        windows = []
        for begin, end in pairwise(self.starts.tolist()):
            steps = end - begin - 1
            if steps < 1:
                continue
            cut = end - int(random.integers(0, length)) if steps > length else end
            edges = [end, *range(cut, begin, -length), begin]
            for late, early in pairwise(dict.fromkeys(edges)):
                if late - early > 1 or early > begin:
                    windows.append((max(begin, early - 1), late))
        return windows

    def _batch(self, windows: NDArray[np.int64]) -> Batch:
        count = windows[:, 1] - windows[:, 0]  # (batch,)
        at = np.arange(count.max() - 1)  # (length,)
        rows = windows[:, :1] + at  # (batch, length)
        there = at < count[:, None] - 1  # (batch, length)
        rows = np.where(there, rows, windows[:, :1])  # (batch, length)

        def padded(values: NDArray[np.int64], pad: int) -> Tensor:
            return torch.from_numpy(np.where(there, values, pad))

        return Batch(
            padded(self.places[rows], -1),
            padded(self.times[rows], 0),
            padded(self.places[np.where(there, rows + 1, rows)], -1),
        )
