"""The thread that reads: records of every partition this worker holds, split by slot.

Only this thread calls its consumer (librdkafka blocks for minutes otherwise); the rest of the
lane asks it through a queue. Where as many records wait as may, it pauses the slots that have more
than their share of them, so memory stays bounded and a slow slot starves nobody.
"""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Protocol

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from streams.lane import clients
from streams.lane.commands import Commands
from streams.lane.contract import Slot
from streams.lane.errors import Fatal, TopicError
from streams.settings import Settings

log = logging.getLogger(__name__)

_POLL_S = 0.1
_PAUSED_POLL_S = 0.005
"""While a slot is paused: it should go on soon after its records were taken."""
_CHUNK = 2_000
"""Records taken from librdkafka at once: what fits the processor's cache."""
_AHEAD = 4_000
_AHEAD_S = 0.002
"""With so many records of every slot waiting the reader looks again a moment later."""
_LEAST_SHARE = 2_000
"""Records of one slot that may wait, however many slots there are."""
_LOOK_S = 0.5
"""Between two looks at the ends of the partitions."""


class Backlog(Protocol):
    """Where records wait until their batch; called in the reader's thread."""

    def deliver(self, slot: Slot, topic: str, records: list[Message]) -> None: ...

    def waiting(self) -> Mapping[Slot, int]:
        """Records that wait, by slot."""


class Reader(threading.Thread):
    """Call `add` and `remove` from any thread but this one."""

    def __init__(self, settings: Settings, backlog: Backlog, on_fatal: Fatal) -> None:
        super().__init__(name="lane-reader", daemon=True)
        self._settings = settings
        self._backlog = backlog
        self._on_fatal = on_fatal
        self._commands = Commands()
        self._stopping = threading.Event()
        self._slots: dict[tuple[str, int], Slot] = {}
        self._paused: set[Slot] = set()
        self.positions: dict[tuple[str, int], int] = {}
        """The next offset to read of each (topic, partition)."""
        self.ends: dict[tuple[str, int], int] = {}
        """The end of each, as the broker last told it."""

    def add(self, slot: Slot, feeds: Sequence[TopicPartition]) -> Future[None]:
        """Start reading a slot's partitions at the offsets given."""

        def assign(consumer: Consumer) -> None:
            consumer.incremental_assign(list(feeds))
            self._slots.update({(feed.topic, feed.partition): slot for feed in feeds})
            for feed in feeds:
                self.positions[feed.topic, feed.partition] = feed.offset

        return self._commands.ask(assign)

    def remove(self, slot: Slot) -> Future[None]:
        """Stop reading a slot; when it is done, no more records of it will be delivered."""

        def unassign(consumer: Consumer) -> None:
            feeds = self._feeds(slot)
            if slot in self._paused:
                # librdkafka remembers a pause for when the partition is added again.
                consumer.resume(feeds)
                self._paused.discard(slot)
            if feeds:
                consumer.incremental_unassign(feeds)
            for feed in feeds:
                key = feed.topic, feed.partition
                del self._slots[key]
                self.positions.pop(key, None)
                self.ends.pop(key, None)

        return self._commands.ask(unassign)

    def stop(self) -> None:
        self._stopping.set()

    def run(self) -> None:
        consumer = clients.reader(self._settings)
        looked = 0.0
        try:
            while not self._stopping.is_set():
                self._commands.obey(consumer)
                self._pause_and_resume(consumer)
                now = time.monotonic()
                if now - looked > _LOOK_S or len(self.ends) < len(self._slots):
                    self._look_at_ends(consumer)
                    looked = now
                if self._is_ahead():
                    time.sleep(_AHEAD_S)
                    continue
                wait_s = _POLL_S if self._slots and not self._paused else _PAUSED_POLL_S
                self._split(clients.fetch(consumer, wait_s, _CHUNK))
        except BaseException as error:  # noqa: BLE001
            self._on_fatal(error)
        finally:
            self._commands.end()
            consumer.close()

    def _is_ahead(self) -> bool:
        """Whether nobody would have to wait for records soon: more would only take memory."""
        waiting = self._backlog.waiting()
        return bool(waiting) and min(waiting.values()) > _AHEAD

    def _pause_and_resume(self, consumer: Consumer) -> None:
        """A paused partition goes on, when resumed, from the last record that was delivered."""
        waiting = self._backlog.waiting()
        share = self._settings.pending_records // max(1, len(waiting))
        # Each pause throws away what was fetched ahead, so a share is never tiny.
        share = max(share, _LEAST_SHARE)
        is_full = sum(waiting.values()) > self._settings.pending_records
        above = {slot for slot, records in waiting.items() if is_full and records > share}
        below = {slot for slot in self._paused if waiting.get(slot, 0) <= share // 2}
        for slot in above - self._paused:
            consumer.pause(self._feeds(slot))
            self._paused.add(slot)
        for slot in below:
            consumer.resume(self._feeds(slot))
            self._paused.discard(slot)

    def _feeds(self, slot: Slot) -> list[TopicPartition]:
        return [TopicPartition(*key) for key, owner in self._slots.items() if owner == slot]

    def _split(self, messages: list[Message]) -> None:
        runs: dict[tuple[str, int], list[Message]] = defaultdict(list)
        reached: list[Message] = []
        for message in messages:
            error = message.error()
            if error is None:
                runs[message.topic(), message.partition()].append(message)
            elif clients.is_end(error):
                reached.append(message)
            elif error.retriable() or error.code() in clients.TRANSIENT:
                log.warning("reading goes on when the broker is back: %s", error)
            else:
                raise KafkaException(error)
        # A position may only be seen once all before it can be: the lane commits it when idle.
        for feed, run in runs.items():
            slot = self._slots.get(feed)
            if slot is not None:
                self._check_order(feed, run[0].offset())
                self._backlog.deliver(slot, feed[0], run)
                self._at(feed, run[-1].offset() + 1)
        for message in reached:
            # Behind the last record there may be markers of transactions.
            self._at((message.topic(), message.partition()), message.offset())

    def _check_order(self, feed: tuple[str, int], offset: int) -> None:
        """After a pause a partition goes on where it was; anything else is another log."""
        if offset < self.positions[feed]:
            raise TopicError(
                f"{feed[0]}-{feed[1]} went back from offset {self.positions[feed]} to {offset}:"
                " the topic was deleted and made again, or its end was lost; a start looks again"
            )

    def _at(self, feed: tuple[str, int], offset: int) -> None:
        if feed in self._slots:
            self.positions[feed] = max(self.positions[feed], offset)

    def _look_at_ends(self, consumer: Consumer) -> None:
        """The broker tells the end of a partition with each fetch, also with an empty one."""
        for feed in self._slots:
            _, end = consumer.get_watermark_offsets(TopicPartition(*feed), cached=True)
            if end >= 0:
                self.ends[feed] = end
