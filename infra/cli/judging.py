"""What `tidemill evaluate` does on request: figures of cold items, and other people's models."""

from collections.abc import Sequence

import typer
from rich.table import Table

from inference.data import Interactions
from inference.evaluation.cold import ColdEvaluation, evaluate_cold
from inference.evaluation.peers import Peer
from inference.models.text import EncoderName
from inference.training.adapt import Method
from inference.training.text import TextPhase
from infra.cli.checkout import from_checkout
from infra.cli.printing import out, print_json, tell
from infra.cli.region import local_settings


def judge_cold(
    log: Interactions,
    encoder: EncoderName,
    adapt: Sequence[Method],
    k: int,
    seed: int,
    *,
    json: bool,
) -> None:
    """Progress goes to stderr, a line a phase. Raises DataError and TrainingError."""
    found = evaluate_cold(log, encoder=encoder, adapt=adapt, k=k, seed=seed, report=_say)
    if json:
        print_json(found)
        return
    out.print(_table(found))
    tell(
        f"{found.dataset}: {found.users} users asked for one of {found.cold_items} items that "
        f"nothing was learnt of, of {found.items} with {found.texts} texts; "
        f"{found.interactions} interactions learnt from, {found.seconds:.1f} s"
    )


def peers_of(epochs: int | None, *, resume: bool) -> dict[str, Peer]:
    """Installed where they are missing. Raises LocalError outside of a checkout."""
    place = local_settings().place
    found: dict[str, Peer] = from_checkout("benchmarks.peers.recommenders", "the peers").peers(
        place.tools,
        lambda said: typer.echo(said, err=True),
        place.root / "training" / "peers",
        epochs,
        resume=resume,
    )
    return found


def _say(phase: TextPhase) -> None:
    typer.echo(
        f"{phase.part}: {phase.steps} steps, loss {phase.first_loss:.4f} to {phase.last_loss:.4f}, "
        f"{phase.parameters} numbers, {phase.seconds:.1f} s",
        err=True,
    )


def _table(found: ColdEvaluation) -> Table:
    names = [f"{name}@{found.k} {pool}" for pool in ("cold", "all") for name in ("HR", "NDCG")]
    table = Table("among", *names, "learnt", "in s", box=None, pad_edge=False)
    for name, row in found.results.items():
        figures = [
            value for part in (row.among_cold, row.among_all) for value in (part.hr, part.ndcg)
        ]
        cells = (f"{figure:.4f}" for figure in figures)
        table.add_row(name, *cells, str(row.parameters or ""), f"{row.seconds:.1f}")
    return table
