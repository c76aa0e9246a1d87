"""Where a training run stands, as one file that is replaced whole after every epoch.

It names what the run is made of (data, seed, settings, code); whoever resumes must bring the same.
A file that was cut off or changed is refused: each array in it carries its checksum.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import Tensor

from inference import arrays, models
from inference.errors import CheckpointError, ReleaseError
from inference.folders import write_file

_HEAD = "head"


class Epoch(msgspec.Struct, frozen=True, kw_only=True):
    """One pass over the data; `metric` is NDCG@10 on validation items, 0 to 1."""

    number: int
    loss: float
    metric: float
    seconds: float


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """`run` is what must be equal to resume; `epochs` all that were finished."""

    run: dict[str, str]
    epochs: list[Epoch]


def code_version() -> str:
    """12 hex digits that change with any line of the models or of their training."""
    digest = hashlib.sha256()
    for folder in (Path(models.__file__).parent, Path(__file__).parent):
        for path in sorted(folder.glob("*.py")):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def write(path: Path, head: Head, tensors: Mapping[str, Tensor]) -> None:
    """Old or new, never half of either."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}
    said = np.frombuffer(msgspec.json.encode(head), np.uint8)
    write_file(path, arrays.encode({_HEAD: said, **table}))


def read(path: Path, run: Mapping[str, str]) -> tuple[Head, dict[str, Tensor]]:
    """Raises CheckpointError for a file that is damaged or of another run."""
    try:
        found = arrays.read(path)
        head = msgspec.json.decode(found.pop(_HEAD).tobytes(), type=Head)
    except (ReleaseError, KeyError, msgspec.MsgspecError) as error:
        raise CheckpointError(f"{path}: it is no whole checkpoint: {error}") from None
    for name, value in run.items():
        if head.run.get(name) != value:
            raise CheckpointError(
                f"{path}: its {name} is {head.run.get(name)}, this run's is {value};"
                " remove it to begin anew"
            )
    return head, {name: torch.from_numpy(table) for name, table in found.items()}
