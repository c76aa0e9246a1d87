"""The thread that reads: records of every partition this worker holds, split by slot.

Only this thread calls its consumer (librdkafka blocks for minutes otherwise); the rest of the
lane asks it through a queue. It stops reading above a bound of records that wait, all slots
together, and pauses a slot that holds more than its share, so a slow slot starves nobody.
"""

import logging
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Protocol

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from streams.lane import clients
from streams.lane.commands import Commands
from streams.lane.contract import Slot
from streams.lane.errors import Fatal
from streams.settings import Settings

log = logging.getLogger(__name__)

_POLL_S = 0.1


class Backlog(Protocol):
    """Where records wait until their batch; called in the reader's thread."""

    def deliver(self, slot: Slot, records: list[Message]) -> None: ...

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
            feeds = [key for key, owner in self._slots.items() if owner == slot]
            if feeds:
                consumer.incremental_unassign([TopicPartition(*feed) for feed in feeds])
            for feed in feeds:
                del self._slots[feed]
                self.positions.pop(feed, None)
                self.ends.pop(feed, None)
            self._paused.discard(slot)

        return self._commands.ask(unassign)

    def stop(self) -> None:
        self._stopping.set()

    def run(self) -> None:
        consumer = clients.reader(self._settings)
        try:
            while not self._stopping.is_set():
                self._commands.obey(consumer)
                waiting = self._backlog.waiting()
                self._pause_and_resume(consumer, waiting)
                if sum(waiting.values()) >= self._settings.pending_records:
                    self._stopping.wait(0.005)
                    continue
                self._look_at_ends(consumer)
                self._split(clients.fetch(consumer, _POLL_S if self._slots else 0.02))
        except BaseException as error:  # noqa: BLE001
            self._on_fatal(error)
        finally:
            self._commands.end()
            consumer.close()

    def _pause_and_resume(self, consumer: Consumer, waiting: Mapping[Slot, int]) -> None:
        """A paused partition goes on, when resumed, from the last record that was delivered."""
        share = max(1, self._settings.pending_records // 4)
        above = {slot for slot, records in waiting.items() if records > share}
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
        for message in messages:
            error = message.error()
            if error is None:
                runs[message.topic(), message.partition()].append(message)
            elif clients.is_end(error):
                # Behind the last record there may be markers of transactions.
                self._reached(message.topic(), message.partition(), message.offset())
            elif error.retriable() or error.code() in clients.TRANSIENT:
                log.warning("reading goes on when the broker is back: %s", error)
            else:
                raise KafkaException(error)
        for feed, run in runs.items():
            slot = self._slots.get(feed)
            if slot is None:
                continue
            # The end may have been reached behind this run already.
            self.positions[feed] = max(self.positions[feed], run[-1].offset() + 1)
            self._backlog.deliver(slot, run)

    def _reached(self, topic: str, partition: int, end: int) -> None:
        if (topic, partition) in self._slots:
            self.positions[topic, partition] = end

    def _look_at_ends(self, consumer: Consumer) -> None:
        """The broker tells the end of a partition with each fetch, also with an empty one."""
        for feed in self._slots:
            _, end = consumer.get_watermark_offsets(TopicPartition(*feed), cached=True)
            self.ends[feed] = end
