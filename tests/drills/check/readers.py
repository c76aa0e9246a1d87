"""What the reader in a region was given, against what was asked: each ask has a valid answer, no
slate came twice or after a newer one, and none of an epoch that had ended.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.identifiers import recommendation_id
from schemas.topics import RECOMMENDATIONS
from tests.drills.check import answers
from tests.drills.check.answers import Order
from tests.drills.check.findings import Findings
from tests.drills.check.inputs import ASKING, Asks, Inputs
from tests.drills.check.logs import Logs
from tests.drills.check.owners import Owners, counts, is_valid

Place = tuple[str, str]
"""(user, surface)"""
_NEVER: Order = (-1, "")


class Given(NamedTuple):
    """A slate that was handed out; `at_s` by the monotonic clock, `order` is its cause's."""

    at_s: float
    partition: int
    user_id: str
    surface: str
    identity: str
    origin: str
    epoch: int
    order: tuple[int, str]


@dataclass
class Asked:
    """All asks of a cluster, its own and the mirrored ones."""

    first: dict[tuple[str, str, str], Order] = field(default_factory=dict)
    """(user, surface, event id) -> of the copies of an event the oldest."""
    every: set[tuple[str, str, Order]] = field(default_factory=set)
    times: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(recommendation id, origin) -> how often an event asked: once more for each copy that came
    too long after the one before. A worker that starts anew forwards again, too.
    """


def asked(logs: Logs, inputs: Inputs) -> Asked:
    found = Asked()
    for feed in inputs.feeds:
        for number in range(inputs.partitions):
            asks = Asks()
            for read in inputs.read(logs, feed, number, ""):
                event = read.event
                if event is None or event.kind not in ASKING:
                    continue
                if inputs.placement.of(event.user_id) != number:
                    continue  # forwarded, and met where it belongs
                order = read.appended_at_ms, event.event_id
                found.every.add((event.user_id, event.surface, order))
                which = event.user_id, event.surface, event.event_id
                found.first[which] = min(order, found.first.get(which, order))
                if asks.asks(read):
                    identity = recommendation_id(event.user_id, event.event_id, event.surface)
                    found.times[identity, feed.origin] += 1
    return found


def unanswered(
    logs: Logs, inputs: Inputs, given: Sequence[Given], holds: Owners
) -> Iterator[tuple[Place, Order]]:
    """Asks without a valid answer that the reader has."""
    ids = {one.identity for one in given}
    newest = _answered_up_to(logs, inputs, ids, holds)
    for (user_id, surface, event_id), order in asked(logs, inputs).first.items():
        if recommendation_id(user_id, event_id, surface) in ids:
            continue
        if newest.get((user_id, surface), _NEVER) < order:
            yield (user_id, surface), order


def check_reader(
    region: str,
    logs: Logs,
    inputs: Inputs,
    given: Sequence[Given],
    holds: Owners,
    findings: Findings,
    *,
    knows_since_s: float,
    also_asked: Iterable[tuple[str, str, Order]] = (),
    also_given: Iterable[Given] = (),
) -> None:
    """`knows_since_s`: from when on the reader must know what `holds` says. `also_asked` and
    `also_given`: what the logs of this region do not tell any more.
    """
    there = asked(logs, inputs)
    every = there.every.union(also_asked)
    findings.looked("asks at readers", len(there.first))
    findings.looked("slates at readers", len(given))
    for place, order in unanswered(logs, inputs, [*given, *also_given], holds):
        findings.add("asks without an answer at a reader", f"{place} {order} in {region}")
    times = Counter(one.identity for one in given)
    repeated = [identity for identity, count in times.items() if count > 1]
    findings.add_all("ids that a reader was given twice", (f"{i} in {region}" for i in repeated))
    _check_order(region, given, findings)
    for one in given:
        if (one.user_id, one.surface, one.order) not in every:
            findings.add("slates for nobody's ask", f"{one} in {region}")
        late = one.at_s > knows_since_s
        if late and not is_valid(one.origin, one.epoch, one.partition, one.order[0], holds):
            findings.add("slates of an ended epoch at a reader", f"{one} in {region}")


def _check_order(region: str, given: Iterable[Given], findings: Findings) -> None:
    newest: dict[Place, Order] = {}
    for one in given:
        place = one.user_id, one.surface
        if one.order < newest.get(place, _NEVER):
            findings.add("slates after a newer one", f"{one} in {region}")
        newest[place] = max(one.order, newest.get(place, one.order))


def _answered_up_to(logs: Logs, inputs: Inputs, ids: set[str], holds: Owners) -> dict[Place, Order]:
    """By all valid answers that bear these ids: two regions may answer one event that came to
    both, and the reader takes the first.
    """
    newest: dict[Place, Order] = {}
    for topic in _recommendations(inputs):
        for number in range(inputs.partitions):
            for answer in answers.read(logs, number, Findings(), topic):
                if answer.identity in ids and counts(answer, number, holds):
                    place = answer.user_id, answer.surface
                    newest[place] = max(answer.cause, newest.get(place, answer.cause))
    return newest


def check_answers(
    logs: Logs, inputs: Inputs, holds: Owners, findings: Findings, also: Asked | None = None
) -> int:
    """The recommendations of a cluster, own and mirrored: none is there twice. How many do not
    count. `also`: what was asked where the logs of this cluster do not tell it.
    """
    given: dict[tuple[str, str, int], list[str]] = defaultdict(list)
    wanted = asked(logs, inputs).times | (also.times if also is not None else Counter())
    stale = 0
    for topic in _recommendations(inputs):
        for number in range(inputs.partitions):
            for answer in answers.read(logs, number, findings, topic):
                findings.looked("answers")
                which = answer.identity, answer.origin, answer.epoch
                given[which].append(f"{topic}-{number}@{answer.offset} for {answer.cause}")
                stale += not counts(answer, number, holds)
    for (identity, origin, epoch), where in given.items():
        if len(where) > wanted[identity, origin]:
            told = f"{identity} of {origin} at {epoch}: {', '.join(where)}"
            findings.add("repeated answers", told)
    return stale


def _recommendations(inputs: Inputs) -> Iterator[str]:
    for feed in inputs.feeds:
        prefix = feed.topic.rpartition(".")[0]
        yield f"{prefix}.{RECOMMENDATIONS.name}" if prefix else RECOMMENDATIONS.name
