"""How large a model is: bytes as it is stored, and numbers in it that are not zero."""

import io

import torch

from inference.models.transformer import Transformer


def bytes_of(model: Transformer) -> int:
    """Of its tensors as torch stores them, packed int8 ones included."""
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    return file.tell()


def parameters(model: Transformer) -> int:
    """Numbers that are not zero, of layers that are float."""
    return sum(int(table.count_nonzero()) for table in model.parameters())


def pruning_rate(before: int, after: int) -> float:
    """(M - M') / M of the parameters before and after."""
    return (before - after) / before if before else 0.0
