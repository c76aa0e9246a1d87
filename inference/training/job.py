"""A training run as one file, so that processes of their own can take it up: what it learns from,
what it is judged by, its settings. Written by `launch`, read by `rank`.
"""

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from inference import arrays
from inference.folders import write_file
from inference.models.transformer import TransformerSettings
from inference.training.epochs import EpochSettings
from inference.training.judging import Judge
from inference.training.sequences import Sequences

_HEAD = "head"


class _Head(msgspec.Struct, frozen=True, kw_only=True):
    items: int
    of_model: TransformerSettings
    of_run: EpochSettings
    seed: int
    kept: Path
    data: str
    judged: bool


@dataclass(frozen=True)
class Job:
    """The arguments of `fit_transformer`; the checkpoints lie in `kept`, whose data is `data`."""

    sequences: Sequences
    items: int
    judge: Judge | None
    settings: tuple[TransformerSettings, EpochSettings]
    seed: int
    kept: Path
    data: str

    def write(self, path: Path) -> None:
        of_model, of_run = self.settings
        head = _Head(
            items=self.items,
            of_model=of_model,
            of_run=of_run,
            seed=self.seed,
            kept=self.kept.absolute(),
            data=self.data,
            judged=self.judge is not None,
        )
        said = msgspec.json.encode(head, enc_hook=str)
        learnt = {"places": self.sequences.places, "times": self.sequences.times}
        judging = {} if self.judge is None else self.judge.arrays()
        tables = {**learnt, "starts": self.sequences.starts, **judging}
        write_file(path, arrays.encode({_HEAD: np.frombuffer(said, np.uint8), **tables}))


def read(path: Path) -> Job:
    """Raises ReleaseError for a file that is damaged."""
    found = arrays.read(path)
    head = msgspec.json.decode(
        found[_HEAD].tobytes(), type=_Head, dec_hook=lambda _, text: Path(text)
    )
    return Job(
        Sequences(found["places"], found["times"], found["starts"]),
        head.items,
        Judge.from_arrays(found) if head.judged else None,
        (head.of_model, head.of_run),
        head.seed,
        head.kept,
        head.data,
    )
