"""One partition, looked at from its input to its answers and its states."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.state import UserState
from tests.drills.check import answers as answered
from tests.drills.check import changelog
from tests.drills.check.answers import Answer, Order
from tests.drills.check.findings import Findings
from tests.drills.check.inputs import ASKING, Asks, Inputs, Read
from tests.drills.check.logs import Logs
from tests.drills.check.passed import Path, unexplained
from tests.drills.check.truth import Remembered


@dataclass
class Truth:
    """What the input of a partition says, and nothing else."""

    states: dict[str, Remembered] = field(default_factory=lambda: defaultdict(Remembered))
    paths: dict[str, list[Path]] = field(default_factory=dict)
    """The records of each user whose slates are looked at, by feed."""
    asks: dict[tuple[str, str], list[Order]] = field(default_factory=lambda: defaultdict(list))
    """Of each (user, surface)."""
    asking: set[tuple[str, str, Order]] = field(default_factory=set)
    """With those sent again."""
    refused: set[tuple[str, int, int]] = field(default_factory=set)
    """(topic id, partition, offset)"""
    event_ids: list[str] = field(default_factory=list)
    behind: dict[str, list[Read]] = field(default_factory=lambda: defaultdict(list))
    """By user, what the marker does not say is in the changelog."""
    ends: dict[str, int] = field(default_factory=dict)
    """Topic id -> behind its last record."""


def truth(
    logs: Logs,
    inputs: Inputs,
    ids: Mapping[str, str],
    number: int,
    marker: Mapping[str, int],
    *,
    watched_share: float = 1.0,
) -> Truth:
    """`ids`: topic -> id; `marker`: topic id -> offset; `watched_share`: of the users, whose
    slates are compared with the states they went through.
    """
    found, asks = Truth(), Asks()
    for place, feed in enumerate(inputs.feeds):
        for read in inputs.read(logs, feed, number, ids[feed.topic]):
            if read.topic_id == ids[feed.topic]:  # not of a topic that is gone
                found.ends[read.topic_id] = read.offset + 1
            event = read.event
            if event is None:
                found.refused.add((read.topic_id, read.partition, read.offset))
                continue
            if inputs.placement.of(event.user_id) != number:
                continue  # forwarded, and met where it belongs
            user_id = event.user_id
            found.event_ids.append(event.event_id)
            found.states[user_id].add(event, read.appended_at_ms)
            if read.offset >= marker.get(read.topic_id, 0):
                found.behind[user_id].append(read)
            if _is_watched(user_id, watched_share):
                paths = found.paths.setdefault(user_id, [Path() for _ in inputs.feeds])
                paths[place].add(read)
            if event.kind in ASKING:
                order = read.appended_at_ms, event.event_id
                found.asking.add((user_id, event.surface, order))
                if asks.asks(read):
                    found.asks[user_id, event.surface].append(order)
    return found


def _is_watched(user_id: str, share: float) -> bool:
    return share >= 1.0 or sum(user_id.encode()) % 1000 < 1000 * share


def check_answers(logs: Logs, number: int, truth: Truth, findings: Findings) -> None:
    """Nothing twice, nothing without an answer, nothing out of nowhere."""
    times: Counter[tuple[str, int]] = Counter()
    newest: dict[tuple[str, str], Order] = {}
    by_user: dict[str, list[Answer]] = defaultdict(list)
    for answer in answered.read(logs, number, findings):
        findings.looked("answers")
        times[answer.identity, answer.epoch] += 1
        place = answer.user_id, answer.surface
        if (*place, answer.cause) not in truth.asking:
            findings.add("answers to nobody", str(answer))
        newest[place] = max(answer.cause, newest.get(place, answer.cause))
        if answer.user_id in truth.paths:
            by_user[answer.user_id].append(answer)
    findings.add_all("repeated answers", (which for which, count in times.items() if count > 1))
    for place, asks in truth.asks.items():
        findings.looked("asks", len(asks))
        for order in asks:
            if place not in newest or order > newest[place]:
                findings.add("asks without an answer", f"{place} {order} in partition {number}")
    for user_id, theirs in by_user.items():
        findings.looked("states of slates", len(theirs))
        for answer in unexplained(truth.paths[user_id], theirs):
            findings.add("slates of a state that never was", str(answer))


def check_restorable(
    number: int, truth: Truth, kept: changelog.Changelog, findings: Findings
) -> None:
    """The changelog and the input behind its marker make every state; true at any moment."""
    for topic_id, offset in kept.marker.items():
        if kept.position.get(topic_id, -1) < offset:
            findings.add("markers before their position", f"partition {number}: {kept.marker}")
    for user_id in {*truth.states, *kept.states}:
        wanted = truth.states[user_id].encoded if user_id in truth.states else b""
        made = kept.states.get(user_id, b"")
        if made != wanted:
            remembered = Remembered()
            if made:
                remembered.take(UserState.decode(made))
            for read in truth.behind.get(user_id, ()):
                assert read.event is not None
                remembered.add(read.event, read.appended_at_ms)
            made = remembered.encoded
        findings.looked("states")
        if made != wanted:
            findings.add("states that cannot be restored", f"{user_id} of partition {number}")


def check_flushed(number: int, truth: Truth, kept: changelog.Changelog, findings: Findings) -> None:
    """After a graceful stop the changelog alone has every state, and says so."""
    for user_id in {*truth.states, *kept.states}:
        wanted = truth.states[user_id].encoded if user_id in truth.states else b""
        findings.looked("flushed states")
        if kept.states.get(user_id, b"") != wanted:
            findings.add("wrong states in the changelog", f"{user_id} of partition {number}")
    for topic_id, end in truth.ends.items():
        told = kept.marker.get(topic_id, 0), kept.position.get(topic_id, 0)
        if min(told) < end:
            findings.add(
                "stops that left something to fold",
                f"partition {number}: marker and position {told} of {end}",
            )
