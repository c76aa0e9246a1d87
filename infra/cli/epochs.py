"""A transformer's fitting as `train` and `evaluate` are told of it, and what they tell of it."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from inference.data import Interactions
from inference.training.blend import AFFORDABLE
from inference.training.progress import Ended, Epoch, Resumed, Said, Saved, Started
from infra.cli.region import local_settings

WithTransformer = Annotated[
    bool | None,
    typer.Option(
        "--transformer/--no-transformer",
        help="fit one for the blend; by default where it takes minutes "
        f"(up to {AFFORDABLE:,} interactions)",
    ),
]
Processes = Annotated[
    int, typer.Option(min=1, help="that fit the transformer together, by torchrun")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="go on behind the last epoch that was finished")
]


def checkpoint_of(log: Interactions, seed: int, *, resume: bool) -> Path:
    """In the home; an older one is only gone on from when asked to."""
    folder = local_settings().place.root / "training" / f"{log.fingerprint()}-{seed}"
    if not resume:
        for left in folder.parent.glob(f"{folder.name}*"):
            shutil.rmtree(left, ignore_errors=True)
    return folder


def say(said: Said) -> None:
    """One line on stderr; none for a checkpoint or the end."""
    match said:
        case Started():
            many = "1 process" if said.processes == 1 else f"{said.processes} processes"
            line = f"{many} on {said.on}"
        case Resumed():
            line = f"resumed after {said.epochs} epochs and {said.steps} steps"
        case Epoch():
            judged = "" if said.metric is None else f"validation NDCG@10 {said.metric:.4f}, "
            line = f"epoch {said.number}: loss {said.loss:.4f}, {judged}{said.seconds:.1f} s"
        case Saved() | Ended():
            return
    typer.echo(line, err=True)
