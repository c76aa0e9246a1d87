"""The thread that takes part in the consumer group, and learns which slots this worker holds.

Cooperative: only what moves is given up. Its consumer is paused and never receives a record;
the group decides who holds what, and nothing else.
"""

import logging
import threading
from collections.abc import Sequence
from typing import Protocol

from confluent_kafka import Consumer, KafkaError, TopicPartition

from streams.lane import clients
from streams.lane.contract import Slot
from streams.lane.errors import Fatal
from streams.settings import Settings

log = logging.getLogger(__name__)

_POLL_S = 0.2


class Holder(Protocol):
    """Who is told of assignments; called in the member thread."""

    def assigned(self, slots: Sequence[Slot]) -> None:
        """These are ours now. Returns at once."""

    def revoked(self, slots: Sequence[Slot], *, lost: bool) -> None:
        """Give these up. Returns when nothing of them is in flight."""


class Member(threading.Thread):
    def __init__(
        self,
        settings: Settings,
        group: str,
        topics: Sequence[str],
        holder: Holder,
        on_fatal: Fatal,
    ) -> None:
        super().__init__(name="lane-member", daemon=True)
        self._group = group
        self._topics = list(topics)
        self._holder = holder
        self._on_fatal = on_fatal
        self._stopping = threading.Event()
        self.consumer = clients.member(settings, group, self._on_error)
        """Other threads may commit and ask for committed offsets with it, nothing else."""

    def stop(self) -> None:
        self._stopping.set()

    def run(self) -> None:
        consumer = self.consumer
        try:
            consumer.subscribe(
                self._topics,
                on_assign=self._on_assign,
                on_revoke=self._on_revoke,
                on_lost=self._on_lost,
            )
            while not self._stopping.is_set():
                message = consumer.poll(_POLL_S)
                if message is not None and message.error() is not None:
                    self._on_error(message.error())
        except BaseException as error:  # noqa: BLE001
            self._on_fatal(error)
        finally:
            consumer.close()

    def _on_assign(self, consumer: Consumer, parts: list[TopicPartition]) -> None:
        parts = [TopicPartition(part.topic, part.partition, 0) for part in parts]
        consumer.incremental_assign(parts)
        consumer.pause(parts)
        self._holder.assigned(_slots(parts))

    def _on_revoke(self, consumer: Consumer, parts: list[TopicPartition]) -> None:
        self._holder.revoked(_slots(parts), lost=False)
        consumer.incremental_unassign(parts)

    def _on_lost(self, consumer: Consumer, parts: list[TopicPartition]) -> None:
        self._holder.revoked(_slots(parts), lost=True)
        consumer.incremental_unassign(parts)

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            self._on_fatal(RuntimeError(f"the group {self._group} cannot go on: {error}"))
        else:
            log.warning("group %s: %s", self._group, error)


def _slots(parts: Sequence[TopicPartition]) -> list[Slot]:
    return [Slot(part.topic, part.partition) for part in parts]
