"""`tidemill region watch`: a prober, until it is ended; outside of all regions it may promote."""

from collections.abc import Mapping
from typing import Annotated

import typer

from infra.cli.addresses import named
from infra.cli.region import local_settings, region_settings
from infra.cli.region import region as meant_region
from infra.failover.automatic import Automatic
from infra.local import servers
from infra.probing.process import run
from infra.probing.settings import ProbingSettings
from infra.probing.watch import OUTSIDE, Watched
from infra.regions import running
from infra.workers import prober_address
from streams.settings import Settings

From = Annotated[str, typer.Option("--from", metavar="REGION|outside", help="where it looks from")]
Peers = Annotated[
    list[str] | None,
    typer.Option(
        "--peer", metavar="NAME=HOST:PORT", help="a region's Kafka, where not on this host"
    ),
]
Probers = Annotated[
    list[str] | None,
    typer.Option(
        "--prober", metavar="NAME=HOST:PORT", help="a region's prober, where not on this host"
    ),
]
IsAutomatic = Annotated[
    bool,
    typer.Option("--automatic", help="promote another region when one is lost; from outside only"),
]
After = Annotated[
    float | None,
    typer.Option("--after", min=1, help="seconds of silence; else TIDEMILL_LOST_AFTER_S"),
]


def watch(
    *, from_: From, peer: Peers = None, prober: Probers = None, automatic: IsAutomatic = False,
    after: After = None,
) -> None:  # fmt: skip
    """Tell when a region is lost, until Ctrl-C.

    Promotion is a person's decision: with --automatic the prober outside promotes, and only where
    itself and the other region's own prober both lost a region for the whole time.
    """
    kafka, probers = named(peer, "--peer"), named(prober, "--prober")
    found = _outside(kafka, probers) if from_ == OUTSIDE else _inside(from_, kafka)
    settings, kafka, probers = found
    if automatic and (from_ != OUTSIDE or len(kafka) < 2 or probers.keys() != kafka.keys()):
        raise typer.BadParameter(
            "only the prober outside promotes, and it must know every region's own prober:"
            " --from outside, --prober NAME=HOST:PORT",
            param_hint="--automatic",
        )
    given = ProbingSettings()
    watched = Watched(
        observer=from_, settings=settings, kafka=kafka, probers=probers,
        after_s=given.lost_after_s if after is None else after, host=given.prober_host,
    )  # fmt: skip
    acting = Automatic(settings, kafka, local_settings().place.root) if automatic else None
    run(watched, None if acting is None else acting.take_over)


Places = tuple[Settings, dict[str, str], dict[str, str]]
"""Settings, the Kafka of each region that is looked at, the prober of each that has one."""


def _inside(region: str, given: Mapping[str, str]) -> Places:
    meant = meant_region(region)
    settings, found = region_settings(meant), servers.endpoints(meant.local)
    known = {**(found.peers if found is not None else {}), **given}
    return settings, _of(settings.peers, known), {}


def _outside(kafka: Mapping[str, str], probers: Mapping[str, str]) -> Places:
    known, asked = {}, {}
    for region in running(local_settings()):
        found = servers.endpoints(region.local)
        if found is not None:
            known[region.name] = found.kafka
        if (address := prober_address(region.local.place)) is not None:
            asked[region.name] = address
    known |= kafka
    return Settings(), _of(tuple(known), known), {**asked, **probers}


def _of(regions: tuple[str, ...], known: Mapping[str, str]) -> dict[str, str]:
    unknown = [name for name in regions if name not in known]
    if unknown or not regions:
        raise typer.BadParameter(
            f"where is the Kafka of {', '.join(unknown) or 'any region'}? --peer NAME=HOST:PORT,"
            " and TIDEMILL_PEERS names the peers of a region",
            param_hint="--from",
        )
    return {name: known[name] for name in regions}
