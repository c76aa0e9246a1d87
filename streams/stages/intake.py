"""The first half of `recommend`: records into states, asks, dead letters and forwarded records.

One pass over the batch. A record that cannot be used never stops its neighbours.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from schemas.codec import SCHEMA_HEADER, EventDecoder, Reason, RefusedError
from schemas.events import AnyEvent
from schemas.state import EMPTY, UserState
from schemas.topics import STATE_JOINS, USER_EVENTS
from streams import metrics
from streams.lane.contract import Record, Run
from streams.lane.forwarding import forwarded, partition_of, producer_of
from streams.native.contract import Reading, Recent
from streams.seldom import Seldom
from streams.settings import Settings
from streams.stages.answered import AnsweredAsks
from streams.stages.asks import Ask, DueAsks, NewestAsks, Order, Place
from streams.stages.digests import Digests
from streams.stages.late import Late
from streams.stages.plain import Plain, left_by, source
from streams.stages.sample import Sample
from streams.stages.taken import Intake
from streams.state.flushing import FlushCycle
from streams.state.fold import fold
from streams.state.join import join
from streams.state.store import Store
from streams.state.users import Users

log = logging.getLogger(__name__)

_REPLAYED_AT_ONCE = 1_000


class Partition:
    """What a worker holds of one partition of the users."""

    def __init__(
        self,
        number: int,
        store: Store,
        settings: Settings,
        origins: Mapping[str, str],
        now_s: float,
    ) -> None:
        self.number = number
        self.plain = Plain(settings)
        self.users = Users(store, settings.state_format, self.plain.hot_states())
        self.cycle = FlushCycle(settings.flush_s, now_s, {})
        self.answered = AnsweredAsks(self.plain, origins.values())
        self.due = DueAsks()
        self.sample = Sample(settings)
        self.digests = Digests(settings, number, self.sample.take)
        self.folded_to: dict[str, int] = {}
        """Origin -> the append time of the last of its records that was folded here."""
        self.late = Late(settings.lag_bound_s)
        self.epochs: dict[str, int] = {}
        """Of each origin that is published for, the epoch at which due asks were looked for."""
        self._partitions = settings.partitions
        self._region = settings.region
        self._origins = origins
        self._asking = frozenset(settings.asking_kinds)
        self._decoder = EventDecoder()
        self._seldom = Seldom(log)

    def take(self, run: Run, taken: Intake) -> None:
        """Fold records of a batch. The same records again change no state."""
        topic, records = run
        if topic == STATE_JOINS.name:
            self._join(records, taken)
        else:
            self._take(topic, records, taken)

    def replay(self, topic: str, records: Iterable[Record]) -> None:
        """Fold what was committed before: nothing is answered, refused or forwarded again.

        Whoever is touched is written again, changed or not: the worker before may have spilled
        him, so that the store has what the changelog lacks.
        """
        if topic == STATE_JOINS.name:
            refused = Intake()
            self._join(records, refused, again=True)
            if refused.refused:
                log.warning("%d records of %s cannot be joined", len(refused.refused), topic)
            return
        reading = self.plain.replayed(self.users.hot_states)
        rest = iter(records)
        while chunk := list(islice(rest, _REPLAYED_AT_ONCE)):
            for record in left_by(reading, chunk, self._makes_hot):
                self._replay(record)
            self._folded(self._origins[topic], chunk[-1].timestamp()[1])

    def _replay(self, record: Record) -> None:
        appended_at_ms = record.timestamp()[1]
        try:
            event = self._decode(record, appended_at_ms)
        except RefusedError:
            return
        if self._fold(event, appended_at_ms):
            self.users.must_flush(event.user_id)

    def learn(
        self,
        origin: str,
        due: Sequence[Ask],
        answered: Mapping[Place, Order],
        recent: Recent,
        answered_before_ms: int = 0,
    ) -> None:
        """What the logs say of an origin's asks, read anew: what they said before is dropped."""
        self.forget(origin)
        self.due.replace(origin, due)
        folded_to_ms = self.folded_to.get(origin, 0)
        self.answered.learn(origin, answered, recent, answered_before_ms, folded_to_ms)

    def forget(self, origin: str) -> None:
        """Its epoch ended: what was planned is dropped, and what was answered may not be valid."""
        self.due.replace(origin, ())
        self.answered.forget(origin)

    def asks(
        self, topic: str, records: Iterable[Record], misplaced: list[Record] | None = None
    ) -> Iterator[Ask]:
        """The asks among records that were folded before. Those that were not, because they
        belong to another partition, are put into `misplaced`.
        """
        origin = self._origins[topic]
        for record in records:
            appended_at_ms = record.timestamp()[1]
            try:
                event = self._decode(record, appended_at_ms)
            except RefusedError:
                continue
            if not self._is_here(event.user_id):
                if misplaced is not None:
                    misplaced.append(record)
            elif event.kind in self._asking:
                yield Ask(event, origin, appended_at_ms, topic, record.offset())

    def forward(self, records: Iterable[Record], taken: Intake) -> None:
        """Misplaced records that were passed over, as long as another region owned their origin."""
        for record in records:
            self._forward(record, self._decode(record, record.timestamp()[1]), taken)

    def _take(self, topic: str, records: Sequence[Record], taken: Intake) -> None:
        origin = self._origins[topic]
        is_owned = origin in self.epochs
        taken.first_appended_ms.setdefault(origin, records[0].timestamp()[1])
        unknown = self._decoder.unknown_fields
        asks = taken.own if is_owned else taken.others
        reading = self._reading(topic, origin, asks)
        for record in left_by(reading, records, self._makes_hot):
            appended_at_ms = record.timestamp()[1]
            try:
                event = self._decode(record, appended_at_ms)
            except RefusedError as refused:
                taken.refuse(record, refused)
                continue
            if not self._fold(event, appended_at_ms):
                # A mirrored one is forwarded in its own region, which may be gone where this one
                # took its people over.
                if origin == self._region or is_owned:
                    self._forward(record, event, taken)
                continue
            if event.kind not in self._asking:
                continue
            if is_owned:
                is_taken = self.answered.is_open(origin, event, appended_at_ms)
            else:
                is_taken = self.sample.takes(event.user_id, among=asks)
                asks.all()  # copies of one event at one time: the first is kept, plain or not
            if is_taken:
                asks.add(Ask(event, origin, appended_at_ms, topic, record.offset()))
            if reading is not None and asks:
                reading.is_cold = False
        self._folded(origin, records[-1].timestamp()[1])
        if unknown != self._decoder.unknown_fields:
            found = self._decoder.unknown_fields - unknown
            metrics.UNKNOWN_FIELDS.labels(topic).inc(found)

    def _reading(self, topic: str, origin: str, asks: NewestAsks) -> Reading | None:
        """How plain records of a run are taken, where there is compiled code for it."""
        users, asked = self.users.hot_states, source(self._decoder, topic, origin)
        if origin not in self.epochs:
            is_cold = not asks and self.sample.is_cold
            return self.plain.sampled(users, asks, asked, self.sample.share, is_cold=is_cold)
        answered = self.answered
        return self.plain.answered(users, asks, asked, origin, answered.recent, answered.of(origin))

    def _folded(self, origin: str, appended_at_ms: int) -> None:
        # A broker's clock may step back; what was folded stays folded.
        if appended_at_ms > self.folded_to.get(origin, 0):
            self.folded_to[origin] = appended_at_ms
            self.answered.folded(origin, appended_at_ms)

    def _join(self, records: Iterable[Record], taken: Intake, *, again: bool = False) -> None:
        """States from elsewhere: a peer's, a backup's."""
        for record in records:
            try:
                user_id = (record.key() or b"").decode()
                joined = UserState.decode(record.value() or b"")
            except ValueError as error:
                taken.refuse(record, RefusedError(Reason.WRONG_TYPE, str(error)))
                continue
            if not self._is_here(user_id):
                log.warning(
                    "%s-%d at offset %d: %r is no user of this partition; left out",
                    record.topic(), record.partition(), record.offset(), user_id,
                )  # fmt: skip
                continue
            before = self.users.get(user_id)
            after = join(before, joined)
            if after != before or again:
                self.users.put(user_id, after)

    def _decode(self, record: Record, appended_at_ms: int) -> AnyEvent:
        headers = record.headers()
        schema = dict(headers).get(SCHEMA_HEADER) if headers else None
        return self._decoder.decode_event(record.value(), schema, appended_at_ms)

    def _fold(self, event: AnyEvent, appended_at_ms: int) -> bool:
        """False: the user belongs to another partition, and nothing was folded."""
        user_id = event.user_id
        before = self.users.find(user_id)
        if before is None:
            # Placing costs more than folding, so it is done only for users not known here.
            if not self._is_placed_here(user_id):
                return False
            before = EMPTY
        after = fold(before, event, appended_at_ms)
        if after is not before:
            self.users.put(user_id, after)
        return True

    def _makes_hot(self, user_id: str) -> bool:
        """A user whose state is about to change; False for one of another partition."""
        if self.users.find(user_id) is not None:
            return True
        if not self._is_placed_here(user_id):
            return False
        self.users.hot_states.put(user_id, EMPTY)
        return True

    def _is_here(self, user_id: str) -> bool:
        return self.users.find(user_id) is not None or self._is_placed_here(user_id)

    def _is_placed_here(self, user_id: str) -> bool:
        return self.plain.partition_of(user_id, self._partitions) == self.number

    def _forward(self, record: Record, event: AnyEvent, taken: Intake) -> None:
        right = partition_of(event.user_id, self._partitions)
        producer = producer_of(record)
        self._seldom.warn(
            "misplaced",
            "%s-%d at offset %d belongs to partition %d (key %r, producer %s): forwarded; its"
            " producer should place keys by murmur2 (librdkafka: partitioner=murmur2_random)",
            record.topic(), record.partition(), record.offset(), right, record.key(), producer,
        )  # fmt: skip
        taken.forward.append(forwarded(record, USER_EVENTS.name, event.user_id, right))
        taken.forwarded_for.append(producer)
