"""`tidemill region lost`: what a promotion could not bring, by id."""

from datetime import UTC, datetime

from rich.table import Table

from infra.cli.failover import Json, Origin, Peers, Region, reach_of
from infra.cli.printing import out, print_json, tell
from infra.failover.lost import lost as losing


def lost(origin: Origin, *, region: Region = None, peer: Peers = None, json: Json = False) -> None:
    """List the events that had not crossed when an origin was taken over from a region that was
    gone, once that is back: which they were, and whether they are here by now.
    """
    found = losing(reach_of(region, peer), origin)
    if json:
        print_json(found)
        return
    if found:
        table = Table("event", "user", "kind", "appended (UTC)", box=None, pad_edge=False)
        for column in ("partition", "offset"):
            table.add_column(column, justify="right")
        table.add_column("here by now")
        for one in found:
            at = datetime.fromtimestamp(one.appended_at_ms / 1000, UTC)
            told = (one.event_id or "?", one.user_id or "?", one.kind or "unreadable")
            place = (str(one.partition), str(one.offset), "yes" if one.crossed else "no")
            table.add_row(*told, f"{at:%Y-%m-%d %H:%M:%S.%f}"[:-3], *place)
        out.print(table)
    missing = sum(not one.crossed for one in found)
    tell(f"{len(found)} events of {origin} had not crossed; {missing} of them have not yet")
