"""`tidemill region`: who owns what, whether another region could take it over, and that it does."""

from typing import Annotated

import typer
from rich.table import Table

from infra.cli.failover import demote, failback, promote
from infra.cli.join import join
from infra.cli.lost import lost
from infra.cli.printing import out, print_json, tell
from infra.cli.region import local_settings, region_settings
from infra.cli.watch import watch
from infra.peer_lists import Users
from infra.regions import running
from infra.standby import Origin, Readiness, readiness

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.callback()
def region() -> None:
    """Two regions and more: who owns what, is a standby ready, failover, a peer's states."""


@app.command()
def status(
    *, json: Annotated[bool, typer.Option("--json", help="one JSON document")] = False
) -> None:
    """What each region here has applied of each origin, and why it could not take it over.

    Users are compared as both regions have listed them over the last two rotations, see
    TIDEMILL_DIGEST_S and TIDEMILL_DIGEST_SLICES; whom one lacks differs.
    """
    meant = [region_settings(one) for one in running(local_settings())] or [region_settings()]
    found = [readiness(settings) for settings in meant]
    if json:
        print_json(found)
        return
    table = _table()
    for one in found:
        for origin in one.origins:
            _add(table, one, origin)
    out.print(table)
    for one in found:
        if one.problem is not None:
            tell(f"region {one.region} does not answer: {one.problem}")
        for origin in one.origins:
            tell(_sentence(one, origin))
            if origin.users is not None:
                tell(_users(origin.users))


for command in (promote, demote, failback, lost, join, watch):
    app.command()(command)


def _table() -> Table:
    table = Table("region", "origin", "owner", "epoch", box=None, pad_edge=False)
    for column in ("partition", "applied", "end", "behind"):
        table.add_column(column, justify="right")
    return table


def _add(table: Table, found: Readiness, origin: Origin) -> None:
    owner = (origin.owner or "nobody") + (" (draining)" if origin.draining else "")
    epoch = "" if origin.epoch is None else str(origin.epoch)
    for one in origin.partitions:
        numbers = (one.partition, one.applied, one.end, one.behind)
        table.add_row(found.region, origin.origin, owner, epoch, *map(str, numbers))


def _sentence(found: Readiness, origin: Origin) -> str:
    is_owner = origin.owner == found.region
    role = "owns" if is_owner else "stands by for"
    ready = "is ready" if origin.not_ready is None else f"is not ready: {origin.not_ready}"
    told = "" if origin.heard_s is None else f"; heard {origin.heard_s:.1f} s ago"
    if not is_owner:
        sampled = found.sampled
        warm = {True: "warm", False: "cold", None: "asked for nothing"}[origin.is_warm]
        told += f"; Triton is {warm} ({sampled.scored} sampled slates scored, {sampled.failed} not)"
    return f"{found.region} {role} {origin.origin} and {ready}{told}"


def _users(users: Users) -> str:
    return (
        f"  {users.compared} users compared with those of {users.peer}: {users.equal} equal, "
        f"{users.differing} differ, {users.differing_twice} of them twice in a row"
    )
