"""Faust on confluent-kafka: agents get a slot's records as one batch.

Faust sees one assignment for the worker's whole life, all partitions of the agent's topics; who
really holds a slot is the lane's business, and a slot that is not held has no batches. So none of
Faust's rebalancing, seeking, acking and committing takes part, and none of it can lose a record.
"""

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

import faust
from faust.transport.base import Consumer as FaustConsumer
from faust.transport.base import Transport as FaustTransport
from faust.types import TP, Message
from mode import Service

from streams.lane.contract import Batch
from streams.lane.lane import Lane

_GENERATION = 1
"""Faust drops messages of another generation; there is only one."""


class BatchSchema(faust.Schema):
    """Lets a batch through as it is; decoding is the stage's business."""

    def loads_key(self, app: Any, message: Message, **_: Any) -> Any:
        return message.key

    def loads_value(self, app: Any, message: Message, **_: Any) -> Any:
        return message.value


class Consumer(FaustConsumer):
    """Hands the lane's batches to Faust's conductor."""

    def on_init(self) -> None:
        self._assignment: set[TP] = set()
        self._sequence = itertools.count()

    async def subscribe(self, topics: Iterable[str]) -> None:
        transport: Transport = self.transport
        await transport.lane.start(transport.group, sorted(topics))
        self._assignment = {
            TP(name, part) for name, count in transport.counts.items() for part in range(count)
        }
        # Not awaited: Faust waits in there for this very subscription to be done.
        self.add_future(self._assign())

    async def _assign(self) -> None:
        self.app.on_rebalance_start()
        self.app.consumer_generation_id = _GENERATION
        await self.on_partitions_assigned(self._assignment, _GENERATION)

    async def _drain_messages(self, fetcher: Service) -> None:
        """What Faust's fetcher runs, until it is cancelled: batches to the agent, one by one.

        Faust's own watches each message by tasks of its own, for offsets, acks and a flow that are
        not there: a tenth of what a small batch costs in this thread.
        """
        batches = self.transport.lane.batches
        while not fetcher.should_stop:
            await self.wait_for_flow()
            await self.callback(self._as_message(await batches.get()))

    async def wait_for_flow(self) -> None:
        if not self.flow_active:
            await self.wait(self.can_resume_flow)

    def _as_message(self, batch: Batch) -> Message:
        tp = TP(batch.slot.topic, batch.slot.partition)
        return Message(
            topic=tp.topic,
            partition=tp.partition,
            offset=next(self._sequence),
            timestamp=0.0,
            timestamp_type=0,
            headers=None,
            key=None,
            value=batch,
            checksum=None,
            tp=tp,
            generation_id=_GENERATION,
        )

    async def on_stop(self) -> None:
        await self.transport.lane.stop()

    def assignment(self) -> set[TP]:
        return self._assignment

    # Faust asks for these; the lane has done or made needless what they stand for.

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: FBT001, FBT002
        return True

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        return True

    async def perform_seek(self) -> None: ...

    async def seek_to_committed(self) -> Mapping[TP, int]:
        return {}

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None: ...

    async def _seek(self, partition: TP, offset: int) -> None: ...

    async def wait_empty(self) -> None: ...

    async def verify_all_partitions_active(self) -> None: ...

    def highwater(self, tp: TP) -> int:
        return 0

    def _new_topicpartition(self, topic: str, partition: int) -> TP:
        return TP(topic, partition)

    async def _getmany(self, active_partitions: Any, timeout: float) -> Any:
        raise NotImplementedError("_drain_messages is replaced as a whole")

    def _to_message(self, tp: TP, record: Any) -> Any:
        raise NotImplementedError("_drain_messages is replaced as a whole")

    async def create_topic(self, *_: Any, **__: Any) -> None: ...

    async def position(self, tp: TP) -> int | None:
        return None

    async def seek_to_beginning(self, *partitions: TP) -> None: ...

    def topic_partitions(self, topic: str) -> int | None:
        return sum(tp.topic == topic for tp in self._assignment) or None

    def key_partition(self, topic: str, key: bytes | None, partition: int | None = None) -> None:
        return None

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        return {}

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        return {}


class Transport(FaustTransport):
    """What `App._new_transport` returns; holds the lane that the consumer drains."""

    Consumer = Consumer
    driver_version = "tidemill"

    def __init__(self, app: faust.App, lane: Lane, group: str, counts: Mapping[str, int]) -> None:
        super().__init__([], app)
        self.lane = lane
        self.group = group
        self.counts = counts
        """How many partitions each topic of the group has."""
