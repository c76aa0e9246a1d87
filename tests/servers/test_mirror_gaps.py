"""Real MirrorMakers whose source has lost what they had not brought, or is another topic now."""

from contextlib import closing

import msgspec

from infra import broker, mirror_gaps, topics
from infra.broker import admin
from infra.local import mirror, supervisor
from infra.mirror_gaps import Gap
from schemas.topics import USER_EVENTS
from tests.servers.pair import PARTITIONS, Pair, Region
from tests.servers.states import drop_records, put
from tests.servers.workers import event, until


def send(region: Region, prefix: str, count: int = 40) -> set[str]:
    ids = {f"{prefix}-{number}" for number in range(count)}
    put(region.bootstrap, USER_EVENTS.name, [(i, event(i, i)) for i in ids])
    return ids


def cross(region: Region, ids: set[str]) -> None:
    until(f"{len(ids)} events cross to {region.name}", lambda: ids <= copies(region))


def copies(region: Region) -> set[str]:
    found = region.records(region.copy_of(USER_EVENTS))
    return {msgspec.json.decode(one.value() or b"")["event_id"] for one in found}


def gaps(region: Region) -> list[Gap]:
    return mirror_gaps.read(region.settings, region.peer).gaps


def first_offsets(region: Region, topic: str) -> dict[int, int]:
    with closing(broker.reader(region.settings)) as consumer:
        return {part.partition: part.offset for part in broker.partitions(consumer, [topic])}


def make_again(region: Region, topic: str) -> None:
    client = admin(region.settings)
    client.delete_topics([topic])[topic].result()
    until(f"{topic} is gone", lambda: topic not in client.list_topics(timeout=30).topics)
    topics.create(region.bootstrap, PARTITIONS, region.name, region.settings.peers)


def test_what_retention_removed_before_it_was_mirrored_is_told(pair: Pair) -> None:
    east, west = pair["east"], pair["west"]
    cross(west, send(east, "before"))
    before = gaps(west)
    supervisor.stop(west.home.run, [mirror.NAME])
    lost = send(east, "lost")
    drop_records(east.bootstrap, USER_EVENTS.name)
    supervisor.start(west.home, [west.mirror])
    cross(west, send(east, "behind"))
    found = until("the gap is found", lambda: [gap for gap in gaps(west) if gap not in before])
    assert not lost & copies(west)
    assert sum((gap.end or 0) - gap.begin for gap in found) == len(lost)


def test_a_source_that_was_made_again_is_mirrored_from_its_start(pair: Pair) -> None:
    """Also what came before the mirror saw that it is another topic, and where it is longer."""
    east, west = pair["east"], pair["west"]
    cross(west, send(east, "old", 20))
    make_again(east, USER_EVENTS.name)
    new = send(east, "new", 400)
    cross(west, new | send(east, "newer"))
    until("it is told", lambda: any(gap.end is None for gap in gaps(west)))


def test_a_copy_that_was_made_again_has_all_that_its_source_has(pair: Pair) -> None:
    east, west = pair["east"], pair["west"]
    ids = send(east, "kept")
    cross(west, ids)
    before = gaps(west)
    make_again(west, west.copy_of(USER_EVENTS))
    cross(west, ids | send(east, "after"))
    kept_from = first_offsets(east, USER_EVENTS.name)
    lost = [gap for gap in gaps(west) if gap not in before]
    assert all(gap.end is not None and gap.end <= kept_from[gap.partition] for gap in lost), (
        "nothing that the source has"
    )
