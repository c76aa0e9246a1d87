"""`tidemill evaluate`: the model on a data set, beside the floors that anything must beat."""

from functools import partial
from typing import Annotated

import typer
from rich.table import Table

from inference.data import Interactions
from inference.evaluation import Evaluation
from inference.evaluation import evaluate as measure
from inference.evaluation.evaluate import Protocol
from inference.training.adapt import METHODS, Method
from inference.training.blend import Sequential, affordable, with_transformer
from inference.training.sources import TEXT_ENCODER
from infra.cli.datasets import Data, Dataset, read_log
from infra.cli.encoders import encoder_named
from infra.cli.epochs import Processes, Resume, WithTransformer, checkpoint_of, say
from infra.cli.judging import judge_cold, peers_of
from infra.cli.moments import moment_ms
from infra.cli.parts import Without, parts_left
from infra.cli.printing import out, print_json, tell
from infra.cli.region import local_settings

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def evaluate(  # noqa: PLR0913 - each is an option of the command
    dataset: Dataset,
    *,
    data: Data = None,
    protocol: Annotated[
        str, typer.Option(help="leave-one-out, or time-split (fit on the past, ask once)")
    ] = "leave-one-out",
    until: Annotated[
        str | None, typer.Option(help="where a time-split cuts: 80% of the log, or a date (UTC)")
    ] = None,
    k: Annotated[int, typer.Option(min=1, max=200, help="places of a slate")] = 10,
    seen: Annotated[
        bool, typer.Option("--seen/--no-seen", help="may items of the history be shown again")
    ] = False,
    refit: Annotated[
        bool,
        typer.Option(
            help="learn from the validation items too before the test is asked, floors and peers "
            "as well"
        ),
    ] = True,
    ablate: Annotated[
        bool, typer.Option("--ablate", help="also the blend without each of its parts")
    ] = False,
    without: Without = None,
    transformer: WithTransformer = None,
    resume: Resume = False,
    processes: Processes = 1,
    cold: Annotated[
        bool, typer.Option("--cold", help="only items that nobody touched, by their text (minutes)")
    ] = False,
    encoder: Annotated[
        str | None,
        typer.Option(
            help="of texts: bert (English, the default of --cold), universal (16 languages), "
            "hashed (words as they stand, the default of the blend)"
        ),
    ] = None,
    adapt: Annotated[
        list[str] | None,
        typer.Option(help=f"of --cold: how BERT's layers learn, {', '.join(METHODS)}; repeat it"),
    ] = None,
    peers: Annotated[
        bool, typer.Option("--peers", help="also RecTools' SASRec, implicit's ALS (slow)")
    ] = False,
    peer_epochs: Annotated[
        int | None, typer.Option(min=1, help="of RecTools' SASRec, instead of 60")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="so often each peer is fitted")] = 1,
    seed: Annotated[int, typer.Option(help="of the transformer, of the cold items")] = 0,
    json: Annotated[bool, typer.Option("--json", help="one JSON document")] = False,
) -> None:
    """HR, NDCG, MRR and coverage over all items, for the model and for the floors."""
    chosen: Protocol = "time-split" if protocol == "time-split" else "leave-one-out"
    if chosen != protocol:
        raise typer.BadParameter("--protocol is leave-one-out or time-split")
    if until is not None and chosen != "time-split":
        raise typer.BadParameter("--until is for --protocol time-split")
    of_text = encoder_named(encoder or ("bert" if cold else TEXT_ENCODER), "--encoder")
    methods: list[Method] = [method for method in METHODS if method in (adapt or [])]
    if len(methods) != len(adapt or []) or (adapt and not cold):
        raise typer.BadParameter(f"--adapt is for --cold, each of {', '.join(METHODS)} once")
    parts = parts_left(without or [])
    log = read_log(dataset, data, local_settings().place)
    if cold:
        judge_cold(log, of_text, methods, k, seed, json=json)
        return
    until_ms = None if until is None else moment_ms(log, until)
    fits = affordable(log) if transformer is None else transformer
    sequential = _transformer(log, seed, processes, resume=resume) if fits else None
    found = measure(
        log,
        protocol=chosen,
        k=k,
        until_ms=until_ms,
        exclude_seen=not seen,
        learn_validation=refit,
        blend=True,
        parts=parts,
        ablate=ablate,
        sequential=sequential,
        text=of_text,
        peers=peers_of(peer_epochs, resume=resume) if peers else None,
        seeds=seeds,
    )
    if json:
        print_json(found)
        return
    out.print(_table(found))
    for name, peer in found.peers.items():
        tell(
            f"{name}: {peer.seeds} runs, NDCG@{found.k} +- {peer.spread.ndcg:.4f}, fitted in "
            f"{peer.fit_seconds:.1f} s, {peer.rows_per_s:.0f} interactions/s"
        )
    tell(
        f"{found.dataset}, {found.protocol}: {found.users} users asked, {found.items} items "
        f"ranked, {found.interactions} interactions, {found.seconds:.1f} s"
    )


def _transformer(log: Interactions, seed: int, processes: int, *, resume: bool) -> Sequential:
    checkpoint = checkpoint_of(log, seed, resume=resume)
    return partial(
        with_transformer, seed=seed, processes=processes, checkpoint=checkpoint, report=say
    )


def _table(found: Evaluation) -> Table:
    names = (f"HR@{found.k}", f"NDCG@{found.k}", f"MRR@{found.k}", "coverage")
    table = Table("model", *names, box=None, pad_edge=False)
    rows = found.results | {name: row.mean for name, row in found.peers.items()}
    for name, row in rows.items():
        table.add_row(name, *(f"{v:.4f}" for v in (row.hr, row.ndcg, row.mrr, row.coverage)))
    return table
