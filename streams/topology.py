"""The whole graph on one page: which stage reads what, and what it writes.

    user-events, user-state.joins
                ──► recommend ──► recommendations, user-events.dead-letter, user-state.changelog,
                              state-digests
    item-updates ─► catalogue ──► item-vectors, user-events.dead-letter
                              (texts of new items go through Triton's encoder)
    every topic ──► archive ────► ClickHouse

Each stage is a consumer group of its own and runs in workers of its own; `archive` is one for each
ClickHouse that holds the archive. An event goes through
`recommend` like this, a batch of one partition at a time (streams/stages/recommend.py):

    fetch    streams/lane/reader.py        records of one partition
    decode   schemas/codec.py              bytes -> event, or a dead letter
    fold     streams/state/fold.py         the user's new state
             streams/native/               both at once, in C, for plain records: most of them
                                           (streams/stages/plain.py); the same to the byte
    score    streams/scoring/client.py     candidates from Triton, or the fallback
    slate    streams/slate/choose.py       what is shown, and why
    gate     streams/region/gate.py        only if this region owns the event's origin; a standby
                                           scores a sample (streams/stages/sample.py), to compare
    commit   streams/lane/checkpoint.py    everything and the position, in one transaction

What is read "in full" is read by every worker from its start, outside of any group.
"""

from dataclasses import dataclass
from typing import Literal

from schemas.topics import (
    CONTROL,
    DEAD_LETTERS,
    ITEM_UPDATES,
    ITEM_VECTORS,
    MODEL_RELEASES,
    RECOMMENDATIONS,
    STATE_CHANGELOG,
    STATE_DIGESTS,
    STATE_JOINS,
    TOPICS,
    USER_EVENTS,
    Topic,
    mirrored_name,
)

StageName = Literal["recommend", "catalogue", "archive"]


@dataclass(frozen=True)
class Node:
    """One stage and its edges. `commits`: how its position becomes permanent."""

    name: StageName
    reads: tuple[Topic, ...]
    writes: tuple[Topic, ...]
    commits: Literal["transaction", "offsets"]
    reads_along: tuple[Topic, ...] = ()
    """Of these, whoever holds a partition of the first reads the same partition."""
    reads_in_full: tuple[Topic, ...] = ()

    @property
    def group(self) -> str:
        return f"tidemill-{self.name}"

    def group_of(self, replica: int) -> str:
        """Of the workers that fill one of several ClickHouses, from 1; other stages have the 1."""
        return self.group if replica == 1 else f"{self.group}-{replica}"


RECOMMEND = Node(
    name="recommend",
    reads=(USER_EVENTS,),
    writes=(RECOMMENDATIONS, DEAD_LETTERS, STATE_CHANGELOG, STATE_DIGESTS),
    commits="transaction",
    reads_along=(STATE_JOINS,),
    reads_in_full=(*CONTROL, ITEM_UPDATES, ITEM_VECTORS),
)
CATALOGUE = Node(
    name="catalogue",
    reads=(ITEM_UPDATES,),
    writes=(ITEM_VECTORS, DEAD_LETTERS),
    commits="offsets",
    reads_in_full=(MODEL_RELEASES, ITEM_UPDATES, ITEM_VECTORS),
)
ARCHIVE = Node(
    name="archive",
    reads=tuple(topic for topic in TOPICS if topic.archived),
    writes=(),
    commits="offsets",
)
GRAPH: dict[StageName, Node] = {node.name: node for node in (RECOMMEND, CATALOGUE, ARCHIVE)}


def copies(topic: Topic, peers: tuple[str, ...]) -> tuple[str, ...]:
    """A topic's own name here, and those of its mirrored copies."""
    mirrored = (mirrored_name(peer, topic) for peer in peers) if topic.mirrored else ()
    return (topic.name, *mirrored)


def origins(topic: Topic, region: str, peers: tuple[str, ...]) -> dict[str, str]:
    """Topic name -> the region where its records were produced first."""
    return dict(zip(copies(topic, peers), (region, *peers), strict=False))
