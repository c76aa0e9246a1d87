"""A mirrored topic is deleted and made again: first its copy in the west, under load, then the
source in the east, with events in it that had not crossed.

A topic of that name with another id is another topic: workers fold it from its start, and the
mirror, which would go on at a place that means nothing in it, copies it from its start. What the
old copy held comes again; what the old source held beyond the mirror's place is gone, the standby
says so, and `region join` brings what it did.
"""

import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from infra import topics
from infra.lag import behind
from infra.local import mirror
from schemas.topics import USER_EVENTS
from streams.lane.errors import TopicError
from streams.topology import RECOMMEND
from tests.drills.check import logs
from tests.drills.check.findings import Findings, Report
from tests.drills.check.inputs import EAST, Feed
from tests.drills.check.logs import Logs
from tests.drills.harness.commands import region_command
from tests.drills.harness.failing import Failing
from tests.drills.harness.played import played
from tests.drills.harness.region import Region
from tests.drills.harness.scene import Ground
from tests.drills.harness.status import against
from tests.drills.harness.two import Two
from tests.drills.harness.waiting import until

SHORT = {"rate": 40.0, "users": 60, "partitions": 2, "steady_s": 3.0}


def run(
    ground: Ground,
    *,
    rate: float = 100.0,
    users: int = 200,
    partitions: int = 4,
    steady_s: float = 10.0,
) -> Report:
    def story(play: Failing, findings: Findings) -> Mapping[str, Any]:
        play.two.allowed_exits |= {TopicError.exit_code}  # so a worker says that a topic is another
        time.sleep(steady_s)
        figures = {"copy": _copy(play, findings)}
        time.sleep(steady_s)
        return {**figures, "source": _source(play, findings, steady_s)}

    return played("remade", ground, story, rate=rate, users=users, partitions=partitions)


def _copy(play: Failing, findings: Findings) -> Mapping[str, Any]:
    """Nothing is lost: the source has all of it."""
    two, east, west = play.two, play.east, play.west
    two.unmirrored[west.name] = set()
    began_s = time.monotonic()
    held = _make_again(two, west, Feed(west.copy_of(USER_EVENTS), west.peer))
    gone, two.inputs[west.name].gone = two.inputs[west.name].gone, []
    wanted = two.ids(east, east)
    until("the new copy has every event of the east", lambda: wanted <= two.ids(west, east))
    two.inputs[west.name].gone = gone
    again_s = time.monotonic() - began_s
    play.everybody_is_served(east, time.monotonic())
    findings.looked("events of a copy that was deleted", held)
    if said := against(west, "lost"):
        findings.add("losses that were none", said)
    return {"held": held, "all_there_after_s": round(again_s, 1)}


def _source(play: Failing, findings: Findings, away_s: float) -> Mapping[str, Any]:
    """The east has answered all of it; some of it has not crossed."""
    two, east, west = play.two, play.east, play.west
    west.pause(mirror.NAME)
    time.sleep(away_s)
    two.twins.away()  # who deletes an input takes along what nobody has read
    play.loads[east.name].finish()
    until("the east has processed all", lambda: behind(RECOMMEND, east.settings) == 0)
    unmirrored = two.unmirrored[west.name] = two.ids(east, east) - two.ids(west, east)
    findings.looked("events of a source that was deleted before they crossed", len(unmirrored))
    held = _make_again(two, east, EAST)
    play.move(east, east)
    two.twins.back()
    play.everybody_is_served(east, time.monotonic(), east.name)
    began_s = time.monotonic()
    west.resume(mirror.NAME)
    said = until("the standby says that events were lost", lambda: against(west, "lost"))
    wanted = two.ids(east, east) - unmirrored
    until("all of the new topic crosses", lambda: wanted <= two.ids(west, east))
    crosses_s = time.monotonic() - began_s
    joined = region_command(west, "join", "--from", east.bootstrap, "--wait")
    two.alike_from_ms = time.time_ns() // 1_000_000
    if not joined["states"]["sent"]:
        findings.add("joins that brought nothing", str(joined))
    until("the standby says that it is mended", lambda: not against(west, "lost"))
    for region in (east, west):
        play.everybody_is_served(region, time.monotonic())
    return {
        "held": held,
        "lost_to_the_mirror": len(unmirrored),
        "crosses_again_after_s": round(crosses_s, 1),
        "told": said,
        "join": joined,
    }


def _make_again(two: Two, region: Region, feed: Feed) -> int:
    """Delete a topic and make it again while workers and mirrors hold it; how much was in it."""
    admin = logs.administrator(region.bootstrap)
    inputs = two.inputs[region.name]
    (topic_id,) = logs.topic_ids(admin, feed.topic).values()
    with closing(Logs(region.bootstrap)) as reader:
        inputs.remember(reader, feed, topic_id)
    admin.delete_topics([feed.topic])[feed.topic].result()
    until("the topic is gone", lambda: feed.topic not in admin.list_topics(timeout=30).topics)
    settings = region.settings
    topics.create(region.bootstrap, settings.partitions, region.name, settings.peers)
    return sum(len(records) for records in inputs.gone[-1].records.values())
