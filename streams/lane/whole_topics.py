"""Reads topics in full, for what every worker must know: control topics, items, vectors.

No consumer group: each worker reads everything from the start to the end before its first slate,
own copies and mirrored ones, and then goes on. Records are handed over in the event loop's thread.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from streams.lane import clients
from streams.lane.errors import Fatal, TopicError
from streams.settings import Settings

log = logging.getLogger(__name__)

_POLL_S = 0.2
_TIMEOUT_S = 30.0


class WholeTopics(threading.Thread):
    def __init__(
        self,
        settings: Settings,
        topics: Sequence[str],
        apply: Callable[[Sequence[Message]], None],
        fatal: Fatal,
    ) -> None:
        """`apply` gets records in the order of their partition, in the event loop's thread."""
        super().__init__(name="whole-topics", daemon=True)
        self._settings = settings
        self._topics = topics
        self._apply = apply
        self._fatal = fatal
        self._stopping = threading.Event()
        self._loop = asyncio.get_running_loop()
        self.read: asyncio.Future[None] = self._loop.create_future()
        """Done once the end of every topic was reached and applied."""

    def stop(self) -> None:
        self._stopping.set()

    def run(self) -> None:
        consumer = clients.follower(self._settings)
        try:
            unread = self._assign(consumer)
            while not self._stopping.is_set():
                messages = clients.fetch(consumer, _POLL_S)
                records = [message for message in messages if self._is_record(message, unread)]
                if records:
                    self._loop.call_soon_threadsafe(self._apply, records)
                if not unread and not self.read.done():
                    self._loop.call_soon_threadsafe(self._all_read)
        except BaseException as error:  # noqa: BLE001
            self._fatal(error)
        finally:
            consumer.close()

    def _assign(self, consumer: Consumer) -> set[tuple[str, int]]:
        parts: list[TopicPartition] = []
        for topic in self._topics:
            metadata = consumer.list_topics(topic, timeout=_TIMEOUT_S).topics[topic]
            if metadata.error is not None:
                raise TopicError(f"topic {topic} cannot be read: {metadata.error}")
            for part in metadata.partitions:
                start, _ = clients.watermarks(consumer, TopicPartition(topic, part))
                parts.append(TopicPartition(topic, part, start))
        consumer.assign(parts)
        return {(part.topic, part.partition) for part in parts}

    def _is_record(self, message: Message, unread: set[tuple[str, int]]) -> bool:
        error = message.error()
        if error is None:
            return True
        if clients.is_end(error):
            unread.discard((message.topic(), message.partition()))
        elif error.retriable() or error.code() in clients.TRANSIENT:
            log.warning("reading goes on when the broker is back: %s", error)
        else:
            raise KafkaException(error)
        return False

    def _all_read(self) -> None:
        if not self.read.done():
            self.read.set_result(None)
