"""What the demo counts: how soon, how good, how often the fallback.

Latency is from the broker's append time of an event to the record time of the recommendation
that it caused (the worker's clock when it wrote the record, a few ms before the commit that shows
it to readers). A hit: the film that the person rated next is in the slate of ten. The popularity
list beside it answers the same causes with the past's most rated films, without those that the
person had rated.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from inference.data import Interactions
from infra import broker, control
from infra.broker import BrokerError
from infra.cli.printing import out
from infra.lag import behind
from infra.replay import user_events
from schemas.codec import MessageDecoder
from schemas.recommendations import AnswerHeaders, Recommendation
from schemas.topics import RECOMMENDATIONS
from streams.lane import clients
from streams.region.valid import valid
from streams.settings import Settings
from streams.topology import Node

_DONE_S = 600.0
_LOOK_S = 0.5
PLACES = 10


class Answer(NamedTuple):
    """A recommendation, and when its record was written."""

    recommendation: Recommendation
    written_at_ms: int


class Figures(NamedTuple):
    """Of the recommendations whose cause lies in the replayed future; rates are 0 to 1."""

    recommendations: int
    latency_p50_ms: float
    latency_p99_ms: float
    judged: int
    hit_rate: float
    popular_hit_rate: float
    fallback_share: float


class Watch:
    """Reads the recommendations that were committed since it was made."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumer = broker.reader(settings)
        self._start = broker.ends(self._consumer, [RECOMMENDATIONS.name])

    def answers(self) -> Iterator[Answer]:
        """The valid ones up to the end, each once."""
        ownerships = control.ownerships(self._settings)
        decoder: MessageDecoder[Recommendation] = MessageDecoder("recommendation")
        given: set[str] = set()
        for message in clients.read_to_end(self._consumer, self._start):
            headers = AnswerHeaders.decode(message.headers() or [])
            found = decoder.decode(message.value())
            is_valid = valid(headers, message.partition(), ownerships.current(headers.origin))
            if is_valid and found.recommendation_id not in given:
                given.add(found.recommendation_id)
                yield Answer(found, message.timestamp()[1])
        self._consumer.close()


def wait_until_done(node: Node, settings: Settings, what: str) -> None:
    """Returns when a stage has processed all that its topics hold. Raises BrokerError."""
    begun_s = time.monotonic()
    with out.status("") as line:
        while left := behind(node, settings):
            line.update(f"{left} records are still to be {what} by {node.name}")
            if time.monotonic() - begun_s > _DONE_S:
                raise BrokerError(f"{node.name} has {left} records to go after {_DONE_S:.0f} s")
            time.sleep(_LOOK_S)


def figures(
    log: Interactions, until_ms: int, answers: Sequence[Answer], suffix: str = ""
) -> Figures:
    """`log` is all of it; causes before `until_ms` and other people's are left out."""
    row_of = {
        (event.user_id, event.event_id): row
        for row, event in enumerate(user_events(log, suffix))
        if log.time_ms[row] >= until_ms
    }
    found: dict[int, Answer] = {}
    for answer in answers:
        made = answer.recommendation
        if (row := row_of.get((made.user_id, made.cause.event_id))) is not None:
            found[row] = answer
    after = next_items(log)
    judged = [row for row in found if after[row] >= 0]
    hits = sum(
        log.items[after[row]] in {i.item_id for i in found[row].recommendation.items[:PLACES]}
        for row in judged
    )
    popular = popular_hits(log, until_ms, judged)
    waits_ms = [a.written_at_ms - a.recommendation.cause.appended_at_ms for a in found.values()]
    fallbacks = sum(a.recommendation.fallback is not None for a in found.values())
    p50, p99 = np.percentile(waits_ms, (50, 99)) if waits_ms else (0.0, 0.0)
    return Figures(
        recommendations=len(found),
        latency_p50_ms=float(p50),
        latency_p99_ms=float(p99),
        judged=len(judged),
        hit_rate=hits / max(1, len(judged)),
        popular_hit_rate=popular / max(1, len(judged)),
        fallback_share=fallbacks / max(1, len(found)),
    )


def next_items(log: Interactions) -> list[int]:
    """For each row the item of the same user's next row; -1 for the last."""
    after, following = [-1] * len(log), dict[int, int]()
    for row in range(len(log) - 1, -1, -1):
        after[row] = following.get(int(log.user[row]), -1)
        following[int(log.user[row])] = int(log.item[row])
    return after


def popular_hits(log: Interactions, until_ms: int, rows: Sequence[int]) -> int:
    """How many of these causes the list of the past's most rated items answers with a hit."""
    order = [item for item, _ in Counter(log.until(until_ms).item.tolist()).most_common()]
    after, asked, hits = next_items(log), set(rows), 0
    seen: dict[int, set[int]] = {}
    for row in range(len(log)):
        rated = seen.setdefault(int(log.user[row]), set())
        rated.add(int(log.item[row]))
        if row in asked:
            listed = islice((item for item in order if item not in rated), PLACES)
            hits += after[row] in listed
    return hits
