"""The archive of each of two regions: every event of both is in it, and once."""

from collections.abc import Sequence
from contextlib import closing

from clickhouse_driver import Client

from tests.drills.check.findings import Findings
from tests.drills.check.logs import Logs
from tests.drills.harness.region import Region
from tests.drills.harness.two import Two
from tests.drills.harness.waiting import until

_ARCHIVED_S = 180.0
_COUNT = "SELECT count() FROM user_events FINAL"
_EVENTS = "SELECT user_id, event_id FROM user_events FINAL"

Events = set[tuple[str, str]]
"""(user, event id)"""


def check_archives(two: Two, findings: Findings) -> None:
    """Call when nobody sends any more and the archive workers still run."""
    for region in two.regions.values():
        wanted = _events(two, region)
        until(
            f"the archive of {region.name} has every event",
            lambda region=region, wanted=wanted: _ask(region, _COUNT) == [(len(wanted),)],
            _ARCHIVED_S,
            strict=False,
        )
        found: Events = {(user, event_id) for user, event_id in _ask(region, _EVENTS)}
        findings.looked("archived events", len(found))
        where = f"in {region.name}"
        lacking, beyond = wanted - found, found - wanted
        findings.add_all("events that the archive lacks", (f"{e} {where}" for e in lacking))
        findings.add_all("events that only the archive has", (f"{e} {where}" for e in beyond))
        if (count := _ask(region, _COUNT)) != [(len(found),)]:
            findings.add("wrong counts in the archive", f"{count}, not {len(found)} {where}")


def _events(two: Two, region: Region) -> Events:
    inputs = two.inputs[region.name]
    with closing(Logs(region.bootstrap)) as logs:
        return {
            (read.event.user_id, read.event.event_id)
            for feed in inputs.feeds
            for number in range(two.partitions)
            for read in inputs.read(logs, feed, number, "")
            if read.event is not None
        }


def _ask(region: Region, sql: str) -> Sequence[tuple[str, ...]]:
    settings = region.settings
    host, _, port = settings.clickhouse[0].rpartition(":")
    with Client(host, int(port), database=settings.clickhouse_database) as client:
        rows: Sequence[tuple[str, ...]] = client.execute(sql)
        return rows
