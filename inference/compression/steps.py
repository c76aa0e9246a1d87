"""A table of numbers as int8: each row in whole steps of its own size, from -127 to 127."""

import torch
from torch import Tensor


def in_steps(table: Tensor) -> tuple[Tensor, Tensor]:
    """(rows, columns) to steps, int8 of the same shape, and the size of a step, (rows, 1)."""
    size = table.abs().amax(1, keepdim=True) / 127  # (rows, 1)
    steps = (table / size.clamp(min=1e-12)).round().to(torch.int8)  # (rows, columns)
    return steps, size
