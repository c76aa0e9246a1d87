"""Recommendations for whoever shows them: a few lines over Kafka around the rules of `merge`.

    with Reader(Settings()) as reader:
        for slate in reader:
            show(slate.user_id, slate.recommendation())

For applications, `tidemill recommend` and the drills; a worker never uses it. Reads this region's
own and mirrored topics and nothing else, so it goes on while the region is cut off from everyone.
It joins no group and commits nothing: who wants to go on where he stopped keeps `positions`.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import NamedTuple, Self

from confluent_kafka import KafkaException, Message, TopicPartition

from schemas.codec import MessageDecoder
from schemas.recommendations import Recommendation
from schemas.topics import RECOMMENDATIONS, REGION_OWNERSHIP
from streams.lane import clients
from streams.region import merge
from streams.region.copies import Copy
from streams.region.merge import Merge
from streams.settings import Settings
from streams.topology import copies, origins

READ_BACK_S = 3600.0
"""How much of the past a start reads to know what was handed out: longer than a mirror lags."""
_POLL_S = 0.2
_TIMEOUT_S = 30.0
_decoder: MessageDecoder[Recommendation] = MessageDecoder("recommendation")

Positions = Mapping[tuple[str, int], int]
"""(topic, partition) -> the offset to go on at."""


class Slate(NamedTuple):
    """A valid slate that was not handed out before; its value is read when it is wanted."""

    user_id: str
    surface: str
    recommendation_id: str
    message: Message

    def recommendation(self) -> Recommendation:
        """Raises RefusedError for a value that this release cannot read."""
        return _decoder.decode(self.message.value(), None)


class Reader:
    """`partitions`: which; None: all. `positions`: of a reader before; None: from now on."""

    def __init__(
        self,
        settings: Settings,
        *,
        partitions: Iterable[int] | None = None,
        positions: Positions | None = None,
        read_back_s: float = READ_BACK_S,
    ) -> None:
        """Reads the ownership records, and the past. Raises KafkaException, DeadlineError."""
        self._origin_of = origins(REGION_OWNERSHIP, settings.region, settings.peers)
        self._merge = Merge()
        self._is_paused = False
        self._consumer = clients.catch_up_reader(settings)
        news = self._parts(copies(REGION_OWNERSHIP, settings.peers))
        logs = self._parts(copies(RECOMMENDATIONS, settings.peers), partitions)
        self._next = self._starts(logs, positions)
        told = self._take(clients.read_to_end(self._consumer, news))
        assert not told  # no slate was read yet
        self._read_back(logs, read_back_s)
        for part in news:
            self._next.setdefault((part.topic, part.partition), part.offset)
        self._consumer.assign([TopicPartition(*log, at) for log, at in self._next.items()])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Slate]:
        """For ever."""
        while True:
            yield from self.read(_POLL_S)

    def read(self, timeout_s: float) -> list[Slate]:
        """What there is; empty when nothing comes for so long. Raises KafkaException."""
        messages = clients.fetch(self._consumer, timeout_s, _AT_MOST)
        slates = self._take(message for message in messages if _is_record(message))
        self._pause(wanted=self._merge.is_full)
        return [
            Slate(slate.user_id, slate.headers.cause.surface, slate.recommendation_id, slate.record)
            for slate in slates
        ]

    @property
    def positions(self) -> Positions:
        """Where to go on: behind what was handed out, or at the first slate that waits for news of
        its epoch. Take them when all that `read` gave is dealt with.
        """
        found = {log: at for log, at in self._next.items() if log[0] not in self._origin_of}
        for slate in self._merge.waiting:
            message = slate.record
            log = message.topic(), message.partition()
            found[log] = min(found[log], message.offset())
        return found

    @property
    def waiting(self) -> int:
        """Slates whose epoch no ownership record that came here tells of; not 0 for long."""
        return len(self._merge.waiting)

    def close(self) -> None:
        self._consumer.close()

    def _take(self, messages: Iterable[Message]) -> list[merge.Slate]:
        """Recommendations and news of ownership, as they come."""
        slates: list[merge.Slate] = []
        for message in messages:
            topic, number = message.topic(), message.partition()
            self._next[topic, number] = message.offset() + 1
            headers = message.headers() or []
            if topic in self._origin_of:
                copy = Copy(
                    topic, self._origin_of[topic], number, message.offset(),
                    message.timestamp()[1], message.key(), message.value(), headers,
                )  # fmt: skip
                slates += self._merge.news([copy])
            elif (slate := self._merge.take(number, message.key(), headers, message)) is not None:
                slates.append(slate)
        return slates

    def _parts(
        self, topics: Iterable[str], partitions: Iterable[int] | None = None
    ) -> list[TopicPartition]:
        """Each partition at its first record."""
        wanted = None if partitions is None else set(partitions)
        found = []
        for topic in topics:
            metadata = self._consumer.list_topics(topic, timeout=_TIMEOUT_S).topics[topic]
            if metadata.error is not None:
                raise KafkaException(metadata.error)
            for number in metadata.partitions:
                if wanted is None or number in wanted:
                    start, _ = clients.watermarks(self._consumer, TopicPartition(topic, number))
                    found.append(TopicPartition(topic, number, start))
        return found

    def _starts(
        self, logs: Iterable[TopicPartition], positions: Positions | None
    ) -> dict[tuple[str, int], int]:
        found = {}
        for log in logs:
            name = log.topic, log.partition
            start, end = clients.watermarks(self._consumer, log)
            at = end if positions is None else positions.get(name, start)
            found[name] = min(max(start, at), end)
        return found

    def _read_back(self, logs: Iterable[TopicPartition], read_back_s: float) -> None:
        """What was handed out before this start: it is not handed out again."""
        since_ms = max(0, int((time.time() - read_back_s) * 1000))
        for log in logs:
            start, end = self._first_since(log, since_ms), self._next[log.topic, log.partition]
            if 0 <= start < end:
                begin = TopicPartition(log.topic, log.partition, start)
                back = clients.read_to_end(self._consumer, [begin])
                self._take(clients.before(back, end))
                self._next[log.topic, log.partition] = end

    def _first_since(self, log: TopicPartition, since_ms: int) -> int:
        """The offset of the first record of this time or later; below 0 where there is none."""
        asked = TopicPartition(log.topic, log.partition, since_ms)
        (found,) = clients.again(
            lambda: self._consumer.offsets_for_times([asked], timeout=_TIMEOUT_S)
        )
        offset: int = found.offset
        return offset

    def _pause(self, *, wanted: bool) -> None:
        """So many slates wait for news of their epoch that no more are taken until it is there."""
        if wanted is not self._is_paused:
            parts = [
                part for part in self._consumer.assignment() if part.topic not in self._origin_of
            ]
            (self._consumer.pause if wanted else self._consumer.resume)(parts)
            self._is_paused = wanted


_AT_MOST = 1_000
"""Records taken at once, and so what may wait beyond the bound."""


def _is_record(message: Message) -> bool:
    """False at the end of a partition. Raises KafkaException for what librdkafka cannot get over
    by itself.
    """
    error = message.error()
    if error is None:
        return True
    if (
        not clients.is_end(error)
        and not error.retriable()
        and error.code() not in clients.TRANSIENT
    ):
        raise KafkaException(error)
    return False
