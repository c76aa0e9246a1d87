"""`tidemill region promote|demote|failback`: an origin changes hands."""

from typing import Annotated

import typer
from rich.table import Table

from infra.cli.addresses import named
from infra.cli.printing import out, print_json, tell
from infra.cli.region import region as meant_region
from infra.cli.region import region_settings
from infra.failover.demote import demote as demoting
from infra.failover.done import Done, Progress
from infra.failover.failback import fail_back
from infra.failover.promote import promote as promoting
from infra.failover.reach import Reach
from infra.failover.run import Run, Wish
from infra.local import servers
from infra.probing.asking import newest_sample
from infra.workers import prober_address

Origin = Annotated[str, typer.Argument(metavar="ORIGIN", help="whose users change hands")]
Region = Annotated[str | None, typer.Option("--region", help="who is to own it; else this region")]
Owner = Annotated[str | None, typer.Option("--region", help="who owns it; else this region")]
Taker = Annotated[str | None, typer.Option("--to", help="who takes it over; else the only peer")]
Peers = Annotated[
    list[str] | None,
    typer.Option("--peer", metavar="NAME=HOST:PORT", help="a peer's Kafka, where not on this host"),
]
Probers = Annotated[
    list[str] | None,
    typer.Option(
        "--prober", metavar="HOST:PORT", help="one that saw the origin last, beside this region's"
    ),
]
Planned = Annotated[
    bool, typer.Option("--planned", help="the owner lives: it drains first, nothing is lost")
]
Force = Annotated[
    str | None,
    typer.Option("--force", metavar="REASON", help="whatever speaks against it; is recorded"),
]
WaitPeer = Annotated[bool, typer.Option("--wait-peer", help="until the peers know of it")]
Timeout = Annotated[float, typer.Option("--timeout", min=0, help="seconds, of each wait")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="say what would be done; change nothing")]
Json = Annotated[bool, typer.Option("--json", help="one JSON document")]


def promote(  # noqa: PLR0913 - the options of a command
    origin: Origin, *, region: Region = None, planned: Planned = False,
    peer: Peers = None, prober: Probers = None,
    force: Force = None, wait_peer: WaitPeer = False, timeout: Timeout = 300.0,
    dry_run: DryRun = False, json: Json = False,
) -> None:  # fmt: skip
    """Take an origin over from an owner who is gone, who was demoted, or, `--planned`, who lives.

    Run it again after anything: it goes on where it was, and says `already` where nothing is left.
    """
    wish = Wish(
        origin=origin, force=_given(force), dry_run=dry_run, wait_peer=wait_peer, timeout_s=timeout
    )
    run = _run("promote", reach_of(region, peer, prober), wish, hidden=json)
    _print(promoting(run, planned=planned), as_json=json)


def demote(  # noqa: PLR0913 - the options of a command
    origin: Origin, *, region: Owner = None, to: Taker = None, peer: Peers = None,
    force: Force = None, timeout: Timeout = 300.0, dry_run: DryRun = False, json: Json = False,
) -> None:  # fmt: skip
    """Let the owner of an origin answer no more, and wait until all it had is where it is needed.

    Until `promote` follows, nobody answers for the origin; nothing is lost.
    """
    reach = reach_of(region, peer)
    if to is None and len(reach.here.peers) != 1:
        raise typer.BadParameter(f"name one of the peers of {reach.region}", param_hint="--to")
    taker = to or reach.here.peers[0]
    if taker not in reach.here.peers:
        raise typer.BadParameter(f"{taker} is no peer of {reach.region}", param_hint="--to")
    wish = Wish(origin=origin, force=_given(force), dry_run=dry_run, timeout_s=timeout)
    _print(demoting(_run("demote", reach, wish, hidden=json), taker), as_json=json)


def failback(  # noqa: PLR0913 - the options of a command
    origin: Origin, *, region: Region = None, peer: Peers = None, force: Force = None,
    wait_peer: WaitPeer = False, timeout: Timeout = 300.0, dry_run: DryRun = False,
    json: Json = False,
) -> None:  # fmt: skip
    """Take an origin back from a region that lives: demote it, drain, promote; nothing is lost.

    REGION is the origin itself where it is not given. Refused until the peer knows the epoch, this
    region has folded nearly all, and every user was compared with the peer's and none differs.
    """
    wish = Wish(
        origin=origin, force=_given(force), dry_run=dry_run, wait_peer=wait_peer, timeout_s=timeout
    )
    run = _run("failback", reach_of(region or origin, peer), wish, hidden=json)
    _print(fail_back(run), as_json=json)


def _given(force: str | None) -> str | None:
    if force is not None and not force.strip():
        raise typer.BadParameter("say why, it is recorded", param_hint="--force")
    return force


def reach_of(name: str | None, peers: list[str] | None, probers: list[str] | None = None) -> Reach:
    """Whom a command of this region can ask. Raises ValidationError, LocalError."""
    meant = meant_region(name)
    here = region_settings(meant)
    found = servers.endpoints(meant.local)
    addresses = dict(found.peers) if found is not None else {}
    for peer, address in named(peers, "--peer").items():
        if peer not in here.peers:
            raise typer.BadParameter(
                f"{peer} is none of the peers of {here.region}, which are"
                f" {', '.join(here.peers) or 'none'}; see TIDEMILL_PEERS",
                param_hint="--peer",
            )
        addresses[peer] = address
    own = prober_address(meant.local.place)
    asked = [*(probers or ()), *([own] if own is not None else [])]
    return Reach(
        here, addresses, meant.local.place.root, lambda region: newest_sample(asked, region)
    )


def _run(command: str, reach: Reach, wish: Wish, *, hidden: bool) -> Run:
    return Run(command, reach, wish, Progress() if hidden else Progress(tell))


def _print(found: Done, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    for region, head in found.heads.items():
        drains = ", draining" if head is not None and head.draining else ""
        owned = "no owner" if head is None else f"{head.owner} at epoch {head.epoch}{drains}"
        tell(f"{region} knew of {found.origin}: {owned}")
    if found.tail:
        _print_tail(found)
    would = "would own" if found.state == "dry run" else "owns"
    drains = " and drains" if found.draining else ""
    for reason in found.refused:
        tell(f"would be refused: {reason}")
    for reason in found.overruled:
        tell(f"overruled: {reason}")
    if found.peer is not None:
        tell(f"peer: {found.peer}")
    tell(f"{found.state}: {found.owner} {would} {found.origin} at epoch {found.epoch}{drains}")


def _print_tail(found: Done) -> None:
    """What would be lost for a while, and the fences."""
    table = Table(box=None, pad_edge=False)
    for column in ("partition", "end", "mirrored to", "seen between", "may be lost", "fence (ms)"):
        table.add_column(column, justify="right")
    for one in found.tail:
        numbers = (one.end, one.mirrored_to, one.seen, one.records)
        told = ("?" if number is None else str(number) for number in numbers)
        fence = found.fences.get(one.partition)
        table.add_row(str(one.partition), *told, "" if fence is None else str(fence))
    out.print(table)
    age = "never" if found.tail_age_s is None else f"{found.tail_age_s:.1f} s ago"
    tell(f"the source was seen {age}")
