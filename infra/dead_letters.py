"""Dead letters: what they say, and putting back those that today's code understands.

A replay judges each letter again. One that decodes now goes back to its topic with its own key,
value and headers; one that is still refused stays for a later release. Which letters are settled
is kept in a consumer group (infra/settled.py), committed after the broker has acknowledged them
all: a crash in between repeats letters, and a repeated event changes nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from confluent_kafka import Consumer, Message, TopicPartition

from infra import broker
from infra.broker import BrokerError, Sender
from infra.settled import Settled, looked_at
from infra.settled import read as read_settled
from schemas.codec import SCHEMA_HEADER, EventDecoder, MessageDecoder, Reason, RefusedError
from schemas.items import ItemUpdate
from schemas.topics import BY_NAME, DEAD_LETTERS, ITEM_UPDATES, USER_EVENTS
from streams.lane import clients
from streams.lane import dead_letters as names
from streams.lane.contract import Headers
from streams.settings import Settings

GROUP = "tidemill-dead-letters-replay"


@dataclass(frozen=True)
class Letter:
    """One record of the dead-letter topic."""

    message: Message

    @cached_property
    def _headers(self) -> dict[str, bytes]:
        return dict(self.message.headers() or [])

    def _text(self, name: str) -> str:
        return (self._headers.get(name) or b"").decode(errors="replace")

    @property
    def reason(self) -> str:
        return self._text(names.REASON)

    @property
    def detail(self) -> str:
        return self._text(names.DETAIL)

    @property
    def topic(self) -> str:
        return self._text(names.TOPIC)

    @property
    def where(self) -> str:
        """The refused record's own place."""
        return f"{self.topic}-{self._text(names.PARTITION)}@{self._text(names.OFFSET)}"

    @property
    def appended_at_ms(self) -> int:
        text = self._text(names.APPENDED)
        return int(text) if text.isdecimal() else 0

    @property
    def refused_at_ms(self) -> int:
        return int(self.message.timestamp()[1])

    @property
    def is_cut(self) -> bool:
        """Whether only the beginning of the value was kept."""
        return names.BYTES in self._headers

    @property
    def own_headers(self) -> Headers:
        found: Headers = self.message.headers() or []
        return [(name, content) for name, content in found if not name.startswith(names.PREFIX)]


class Fate(StrEnum):
    """What a replay does with a letter."""

    REPLAYED = "replayed"
    REFUSED = "still refused"
    CUT = "cut, its bytes are gone"
    SUPERSEDED = "an item that was described anew since"
    ELSEWHERE = "another region's, which replays its own"


@dataclass
class Replay:
    """What became of the letters; `refused` counts those that stay by their reason of today."""

    fates: Counter[Fate] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)


def letters(settings: Settings) -> Iterator[Letter]:
    """All that are retained. Raises BrokerError."""
    for message in broker.read_whole(settings, [DEAD_LETTERS.name]):
        yield Letter(message)


def replay(settings: Settings, reason: str | None = None) -> Replay:
    """Judge the unsettled letters again, all or those of one reason. Raises BrokerError."""
    broker.require(settings, [DEAD_LETTERS.name, USER_EVENTS.name, ITEM_UPDATES.name])
    done = Replay()
    judge = Judge(settings)
    with closing(
        Consumer({"bootstrap.servers": settings.kafka, "group.id": GROUP, "log_level": 0})
    ) as group:
        settled = _settled(group)
        seen: dict[int, list[tuple[int, bool]]] = defaultdict(list)
        with Sender(settings) as sender:
            for letter in letters(settings):
                partition, offset = letter.message.partition(), letter.message.offset()
                is_open = offset not in settled[partition]
                if is_open and reason in (None, letter.reason):
                    is_open = _settle(letter, judge, sender, done)
                seen[partition].append((offset, is_open))
        _keep(group, {n: looked_at(settled[n], records) for n, records in seen.items()})
    return done


def _settle(letter: Letter, judge: "Judge", sender: Sender, done: Replay) -> bool:
    """Do with a letter what it calls for; whether it is open afterwards."""
    fate = judge.fate(letter)
    done.fates[fate] += 1
    if fate is Fate.REPLAYED:
        message = letter.message
        sender.send(letter.topic, message.key(), message.value(), letter.own_headers)
    if fate is Fate.REFUSED:
        done.refused[judge.last_reason] += 1
    return fate is Fate.REFUSED


class Judge:
    """Decodes letters with today's code, as the stage that will read them does."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._events = EventDecoder()
        self._items: MessageDecoder[ItemUpdate] = MessageDecoder("item-update")
        self.last_reason = ""

    def fate(self, letter: Letter) -> Fate:
        if letter.topic not in BY_NAME:
            return Fate.ELSEWHERE
        if letter.is_cut:
            return Fate.CUT
        try:
            self._decode(letter)
        except RefusedError as refused:
            self.last_reason = str(refused.reason)
            return Fate.REFUSED
        if letter.topic == ITEM_UPDATES.name and self._is_superseded(letter):
            return Fate.SUPERSEDED
        return Fate.REPLAYED

    def _decode(self, letter: Letter) -> None:
        value = letter.message.value()
        schema = dict(letter.own_headers).get(SCHEMA_HEADER)
        if letter.topic == USER_EVENTS.name:
            # Its append time will be now; the time of the letter is the nearest that is known.
            self._events.decode_event(value, schema, letter.refused_at_ms)
        elif letter.topic == ITEM_UPDATES.name:
            item = self._items.decode(value, schema)
            if letter.message.key() != item.item_id.encode():
                raise RefusedError(Reason.OUT_OF_BOUNDS, "the key is not the item_id")
        else:
            raise RefusedError(Reason.WRONG_SCHEMA, f"{letter.topic} takes no letters back")

    def _is_superseded(self, letter: Letter) -> bool:
        """The last record of an item wins, so an old one must not come after a newer."""
        newest = self._newest_items.get(letter.message.key() or b"", 0)
        return newest > letter.appended_at_ms

    @cached_property
    def _newest_items(self) -> dict[bytes, int]:
        newest: dict[bytes, int] = {}
        for message in broker.read_whole(self._settings, [ITEM_UPDATES.name]):
            key, (_, appended_at_ms) = message.key() or b"", message.timestamp()
            newest[key] = max(appended_at_ms, newest.get(key, 0))
        return newest


def _settled(group: Consumer) -> dict[int, Settled]:
    topic = group.list_topics(DEAD_LETTERS.name, timeout=broker.ANSWER_S).topics[DEAD_LETTERS.name]
    asked = [TopicPartition(DEAD_LETTERS.name, number) for number in topic.partitions]
    found = clients.committed(group, asked, broker.ANSWER_S)
    return {part.partition: read_settled(part.offset, part.metadata or "") for part in found}


def _keep(group: Consumer, settled: dict[int, Settled]) -> None:
    parts = [
        TopicPartition(DEAD_LETTERS.name, number, known.end, known.metadata)
        for number, known in settled.items()
    ]
    for part in (group.commit(offsets=parts, asynchronous=False) or []) if parts else []:
        if part.error is not None:
            raise BrokerError(f"which letters were replayed could not be kept: {part.error}")
