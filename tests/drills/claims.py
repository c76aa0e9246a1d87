"""Who owns what is in dispute, or unreadable, or forgotten.

While nothing crosses, two regions claim one origin, each by its own commands; later they hear of
each other, and the higher epoch holds. Then a record comes that cannot be read: what held, holds.
Then one region forgets all records, and its worker starts anew: it publishes nothing and says so,
until a person promotes.
"""

import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from confluent_kafka import TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from infra import control
from infra.lag import each
from infra.local import mirror
from schemas.topics import RECOMMENDATIONS, REGION_OWNERSHIP
from streams.topology import RECOMMEND
from tests.drills.check import logs
from tests.drills.check.findings import Findings, Report, report
from tests.drills.harness.commands import RefusedError, region_command, until_done
from tests.drills.harness.failing import Failing
from tests.drills.harness.region import Region
from tests.drills.harness.scene import Ground
from tests.drills.harness.waiting import until
from tests.servers.workers import produce

SHORT = {"rate": 40.0, "users": 60, "partitions": 2, "steady_s": 3.0}
_SAID = "has no valid record on region-ownership"


def run(
    ground: Ground,
    *,
    rate: float = 100.0,
    users: int = 200,
    partitions: int = 4,
    steady_s: float = 10.0,
) -> Report:
    with ground.two(partitions=partitions) as two:
        play, findings = Failing(two, rate, users), Findings()
        try:
            time.sleep(steady_s)
            figures = {"both_claim": _both_claim(play, findings, steady_s)}
            _unreadable(play, findings)
            figures["forgotten"] = _forgotten(play, findings)
            time.sleep(steady_s)
            for region in two.regions.values():
                play.everybody_is_served(region, time.monotonic())
        finally:
            play.close()
        findings.take(two.verdict())
        return report("claims", findings, {**figures, **two.figures, "events": two.acked()})


def _both_claim(play: Failing, findings: Findings, steady_s: float) -> dict[str, int]:
    """The origin west: the east, deaf and blind, takes it by force while its owner goes on; and the
    west, as deaf and blind, hands it over and takes it again.
    """
    east, west = play.east, play.west
    try:
        region_command(east, "promote", "west")
        findings.add("promotions of an origin whose owner lives", "not refused")
    except RefusedError:
        findings.looked("refusals")
    for region in (east, west):
        region.kill(mirror.NAME)
    epochs = {"east": region_command(east, "promote", "west", *_blind("west"))["epoch"]}
    with suppress(RefusedError):  # the east cannot tell that it has all
        region_command(west, "demote", "west", *_blind("east"), "--timeout", "5")
    epochs["west"] = region_command(west, "promote", "west", *_blind("east"))["epoch"]
    time.sleep(steady_s)  # both answer
    for region in (east, west):
        region.start(mirror.NAME)
    for region in (east, west):
        until(
            f"{region.name} hears of the higher epoch",
            lambda r=region: _epoch(r, "west") == max(epochs.values()),
        )
    app, since_s = play.two.apps["east"], time.monotonic()
    until(
        "the reader in the east has slates of the higher epoch",
        lambda: any(one.epoch == max(epochs.values()) for one in app.since(since_s, "west-")),
    )
    play.two.knows_since_s["east"] = time.monotonic()
    return epochs


def _blind(peer: str) -> tuple[str, ...]:
    """Nobody answers where the peer should be."""
    return "--peer", f"{peer}=127.0.0.1:1", "--force", f"the drill: {peer} seems dead from here"


def _unreadable(play: Failing, findings: Findings) -> None:
    """Not JSON, and JSON that says what cannot be."""
    east, before = play.east, _epoch(play.east, "east")
    values = b"{", b'{"origin":"west","epoch":4000,"owner":"west","command_id":"x"}'
    produce(east.bootstrap, REGION_OWNERSHIP.name, *values, key="east", schema="ownership")
    began_s = time.monotonic()
    play.everybody_is_served(east, began_s)
    findings.looked("records that cannot be read", len(values))
    if _epoch(east, "east") != before:
        findings.add("records that should hold nothing", str(control.ownerships(east.settings)))


def _forgotten(play: Failing, findings: Findings) -> dict[str, Any]:
    """Of the east: its own records and its copies of the west's."""
    east, west = play.east, play.west
    _delete_records(east)
    (crew,) = east.crews
    (worker,) = crew.members
    crew.kill(worker, wipe=True)
    play.two.opened(east)
    until("it says that nothing tells who owns what", lambda: _SAID in worker.log_text())
    before, folded = _answers(east), _folded(east)
    until("it folds what comes", lambda: _folded(east) > folded + 50)
    findings.looked("workers without a record")
    if _answers(east) != before:
        findings.add("workers that publish though nothing tells who owns what", east.name)
    # The west still knows: it takes the east's people over, and its mirror tells the east. Of the
    # west's own it tells anew when the west hands them over and goes on.
    made = region_command(west, "promote", "east", "--force", "the drill: the east forgot")
    until_done(west, "demote", "west")
    anew, _ = until_done(west, "promote", "west")
    for one in (made, anew):
        until(
            f"the east knows who owns {one['origin']} again",
            lambda one=one: _epoch(east, one["origin"]) == one["epoch"],
        )
    return {"epoch": made["epoch"], "said": _SAID}


def _answers(region: Region) -> list[int]:
    """Where its recommendations end, by partition."""
    admin = logs.administrator(region.bootstrap)
    ends = logs.ends(admin, RECOMMENDATIONS.name, region.settings.partitions, committed=False)
    return [*ends.values()]


def _folded(region: Region) -> int:
    """Events, as its position tells."""
    return sum(one.applied for one in each(RECOMMEND, region.settings))


def _epoch(region: Region, origin: str) -> int | None:
    record = control.ownerships(region.settings).current(origin)
    return None if record is None else record.epoch


def _delete_records(region: Region) -> None:
    """All that is there; a compacted topic lets nobody delete while it is one."""
    admin = logs.administrator(region.bootstrap)
    topics = REGION_OWNERSHIP.name, region.copy_of(REGION_OWNERSHIP)
    _cleanup(admin, topics, "delete")
    for topic in topics:
        (end,) = logs.ends(admin, topic, 1).values()
        asked = admin.delete_records([TopicPartition(topic, 0, end)])
        for answer in asked.values():
            answer.result()
    _cleanup(admin, topics, "compact")


def _cleanup(admin: AdminClient, topics: Iterable[str], policy: str) -> None:
    entry = ConfigEntry("cleanup.policy", policy, incremental_operation=AlterConfigOpType.SET)
    asked = admin.incremental_alter_configs(
        [ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry]) for topic in topics]
    )
    for answer in asked.values():
        answer.result()
