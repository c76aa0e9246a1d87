"""`tidemill region join`: the states of a peer into this region."""

import time
from typing import Annotated

import typer

from infra.backup import joining, peers
from infra.backup.joining import Joined
from infra.cli.bars import bar
from infra.cli.printing import print_json, tell
from infra.cli.region import region_settings
from streams.settings import Settings


def join(
    *,
    peer: Annotated[
        str, typer.Option("--from", metavar="PEER", help="the peer's Kafka, host:port[,host:port]")
    ],
    wait: Annotated[bool, typer.Option("--wait", help="until workers have joined them")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="say what would be sent; change nothing")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="one JSON document")] = False,
) -> None:
    """Join a peer's states into this region, under load, any number of times.

    What this region has already is not sent, so a call that was interrupted goes on where it was.
    """
    settings = region_settings()
    begun_s = time.monotonic()
    with bar("states of the peer", hidden=json) as show:
        joined = peers.join_from(settings, peer, show, dry_run=dry_run)
    if wait and not dry_run:
        wait_with_bar(settings, joined, hidden=json)
    seconds = round(time.monotonic() - begun_s, 2)
    if json:
        told = {"from": peer, "dry_run": dry_run, "states": joined, "seconds": seconds}
        print_json(told)
        return
    tell(f"{joined.foretold() if dry_run else joined.sentence()}; {seconds:.1f} s")


def wait_with_bar(settings: Settings, joined: Joined, *, hidden: bool) -> None:
    """Until workers have folded every join that is there. Raises BackupError."""
    with bar("joins that waited for workers", hidden=hidden) as show:
        most = 0

        def left(now: int) -> None:
            nonlocal most
            most = max(most, now)
            show(most - now, most)

        joining.wait(settings, left)
    joined.waited = True
