"""The thread that takes part in the consumer group, and learns which slots this worker holds.

Cooperative: only what moves is given up. Its consumer is paused and never receives a record;
the group decides who holds what, and nothing else.
"""

import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Protocol

from confluent_kafka import Consumer, KafkaError, TopicPartition

from streams.lane import clients
from streams.lane.commands import Commands
from streams.lane.contract import Slot
from streams.lane.errors import DeadlineError, Fatal
from streams.seldom import Seldom
from streams.settings import Settings

log = logging.getLogger(__name__)

_POLL_S = 0.05
"""Also how long a commit may wait for its turn."""
_GIVE_UP_DEADLINE_S = 120.0
"""For slots to be given up: an opening or a commit in flight ends within its own deadline."""


class Holder(Protocol):
    """Who is told of assignments; called in the member thread."""

    def assigned(self, slots: Sequence[Slot]) -> None:
        """These are ours now. Returns at once."""

    def revoked(self, slots: Sequence[Slot], *, lost: bool) -> "Future[None]":
        """Give these up; done when nothing of them is in flight."""


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
        self._consumer = clients.member(settings, group, self._on_error)
        self._commands = Commands()
        self._seldom = Seldom(log)

    def stop(self) -> None:
        self._stopping.set()

    def commit(self, offsets: list[TopicPartition]) -> "Future[list[TopicPartition]]":
        """Commit the group's offsets; only a member may, of a group that lives."""
        return self._commands.ask(
            lambda consumer: consumer.commit(offsets=offsets, asynchronous=False)
        )

    def commit_for_tools(self, offsets: list[TopicPartition]) -> None:
        """The same, not waited for: nobody here reads them."""
        self._commands.ask(lambda consumer: consumer.commit(offsets=offsets, asynchronous=True))

    def run(self) -> None:
        consumer = self._consumer
        try:
            consumer.subscribe(
                self._topics,
                on_assign=self._on_assign,
                on_revoke=self._on_revoke,
                on_lost=self._on_lost,
            )
            while not self._stopping.is_set():
                self._commands.obey(consumer)
                message = consumer.poll(_POLL_S)
                if message is not None and message.error() is not None:
                    self._on_error(message.error())
        except BaseException as error:  # noqa: BLE001
            self._on_fatal(error)
        finally:
            consumer.close()
            self._commands.end()

    def _on_assign(self, consumer: Consumer, parts: list[TopicPartition]) -> None:
        parts = [TopicPartition(part.topic, part.partition, 0) for part in parts]
        consumer.incremental_assign(parts)
        consumer.pause(parts)
        self._holder.assigned(_slots(parts))

    def _on_revoke(self, consumer: Consumer, parts: list[TopicPartition]) -> None:
        self._give_up(consumer, parts, lost=False)

    def _on_lost(self, consumer: Consumer, parts: list[TopicPartition]) -> None:
        self._give_up(consumer, parts, lost=True)

    def _give_up(self, consumer: Consumer, parts: list[TopicPartition], *, lost: bool) -> None:
        given_up = self._holder.revoked(_slots(parts), lost=lost)
        ends = time.monotonic() + _GIVE_UP_DEADLINE_S
        while not given_up.done():
            self._commands.obey(consumer, _POLL_S)  # the last commits of these very slots
            if time.monotonic() > ends:
                self._on_fatal(DeadlineError(f"{len(parts)} slots were not given up in time"))
        given_up.result()
        consumer.incremental_unassign(parts)

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            self._on_fatal(RuntimeError(f"the group {self._group} cannot go on: {error}"))
        else:
            self._seldom.warn(error.code(), "group %s: %s", self._group, error)


def _slots(parts: Sequence[TopicPartition]) -> list[Slot]:
    return [Slot(part.topic, part.partition) for part in parts]
