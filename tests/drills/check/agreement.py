"""Whether two regions hold the same: events, users under traffic, whole states at rest."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing

import msgspec
import xxhash

from schemas.control import StateDigest
from streams.region.parity import Parity
from tests.drills.check import changelog
from tests.drills.check.findings import Findings
from tests.drills.check.inputs import Inputs
from tests.drills.check.logs import Logs


def check_events(
    bootstrap: str, inputs: Inputs, acknowledged: set[str], findings: Findings
) -> None:
    """Whatever any broker acknowledged is here, as an event of this region or as a copy."""
    findings.looked("acknowledged events", len(acknowledged))
    with closing(Logs(bootstrap)) as logs:
        for feed in inputs.feeds:
            for number in range(inputs.partitions):
                for read in inputs.read(logs, feed, number, ""):
                    if read.event is not None:
                        acknowledged.discard(read.event.event_id)
    where = inputs.feeds[0].origin
    findings.add_all("acknowledged events that are lost", (f"{e} in {where}" for e in acknowledged))


def event_ids(bootstrap: str, inputs: Inputs, origin: str) -> set[str]:
    """Of the events of an origin, as they lie in a cluster."""
    (feed,) = (feed for feed in inputs.feeds if feed.origin == origin)
    with closing(Logs(bootstrap)) as logs:
        return {
            read.event.event_id
            for number in range(inputs.partitions)
            for read in inputs.read(logs, feed, number, "")
            if read.event is not None
        }


def check_users(
    bootstrap: str, topics: Iterable[str], from_ms: int, findings: Findings
) -> dict[str, int]:
    """Under the traffic there was, by the lists of digests that both published from a time on.
    `topics`: those of `state-digests`, own and mirrored.
    """
    lists = sorted(_digests(bootstrap, topics), key=lambda one: one[0])
    parity = Parity("east", "west")
    parity.add(made for published_ms, made in lists if published_ms >= from_ms)
    findings.looked("lists of digests", parity.pairs)
    findings.looked("users alike under traffic", parity.equal)
    findings.add_all("users that differ twice under traffic", parity.diverged)
    if not parity.equal:
        findings.add("parity that compared nobody", f"{parity.pairs} pairs of lists")
    return {
        "lists": parity.pairs,
        "alike": parity.equal,
        "differ_once": len(parity.differing - parity.diverged),
        "differ_twice": len(parity.diverged),
    }


def state_hash(bootstrap: str, partitions: int) -> str:
    """Of all states as they are written, byte for byte, in whatever order."""
    states: dict[str, bytes] = {}
    with closing(Logs(bootstrap)) as logs:
        for number in range(partitions):
            kept: Mapping[str, bytes] = changelog.read(logs, number).states
            states |= {user: state for user, state in kept.items() if state}
    return xxhash.xxh3_128_hexdigest(msgspec.json.encode(sorted(states.items())))


def _digests(bootstrap: str, topics: Iterable[str]) -> Iterator[tuple[int, StateDigest]]:
    """With the time at which each was published."""
    with closing(Logs(bootstrap)) as logs:
        for topic in topics:
            for record in logs.records(topic, 0):
                made = msgspec.json.decode(record.value(), type=StateDigest)
                yield record.timestamp()[1], made
