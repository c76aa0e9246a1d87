"""Real workers in two regions that mirror each other: what each folds and which of them answers."""

from collections.abc import Iterator

import msgspec
import pytest

from infra import control
from infra.local import mirror, supervisor
from infra.standby import Origin, readiness
from schemas.codec import EventDecoder
from schemas.control import Ownership, PastEpoch
from schemas.recommendations import AnswerHeaders, Recommendation
from schemas.state import EMPTY, UserState
from schemas.topics import RECOMMENDATIONS, REGION_OWNERSHIP, USER_EVENTS
from streams.region.ownership import next_epoch
from streams.state.fold import fold
from streams.topology import copies
from tests.servers.operators import worker
from tests.servers.pair import PARTITIONS, Pair, Region
from tests.servers.states import ask, send, stock
from tests.servers.workers import own, until

USERS = [f"both-{number}" for number in range(30)]
Answers = list[tuple[Recommendation, AnswerHeaders]]


@pytest.fixture(scope="module")
def shops(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Each region owns itself, sells the same items and has one worker."""
    logs = tmp_path_factory.mktemp("workers")
    workers = []
    for number, region in enumerate(pair.values()):
        own(region.bootstrap, region.name, number)
        stock(region.bootstrap)
    for region in pair.values():
        until(
            f"{region.name} knows both owners",
            lambda region=region: len(control.ownerships(region.settings).origins) == 2,
        )
        workers.append(worker(region, logs / f"{region.name}.log").start())
    yield pair
    for one in workers:
        one.stop()


def answers(region: Region, topic: str) -> Answers:
    return [
        (
            msgspec.json.decode(record.value() or b"", type=Recommendation),
            AnswerHeaders.decode(record.headers() or []),
        )
        for record in region.records(topic)
    ]


def answered(region: Region, topic: str, wanted: set[str]) -> Answers:
    """The answers to these events, once all of them are there."""

    def found() -> Answers:
        return _to(answers(region, topic), wanted)

    until(
        f"{len(wanted)} answers in {topic} of {region.name}",
        lambda: {one.cause.event_id for one, _ in found()} == wanted,
    )
    return found()


def folded(region: Region) -> dict[str, bytes]:
    """What the region's own and mirrored events make of each user, folded here."""
    states: dict[str, UserState] = {}
    decoder = EventDecoder()
    for topic in copies(USER_EVENTS, region.settings.peers):
        for record in region.records(topic):
            appended_at_ms = record.timestamp()[1]
            event = decoder.decode_event(record.value(), None, appended_at_ms)
            before = states.get(event.user_id, EMPTY)
            states[event.user_id] = fold(before, event, appended_at_ms)
    return {user: state.encode() for user, state in states.items() if state != EMPTY}


def test_what_came_to_either_region_is_folded_in_both_to_the_same_bytes(shops: Pair) -> None:
    """The same people in both, at the same time."""
    for seed, region in enumerate([*shops.values()] * 3):
        send(region.bootstrap, 90, seed=seed, users=USERS)
    east, west = shops["east"], shops["west"]
    for region in shops.values():
        sent = len(shops[region.peer].records(USER_EVENTS.name))
        until(
            f"{sent} events cross to {region.name}",
            lambda region=region, sent=sent: (
                len(region.records(region.copy_of(USER_EVENTS))) == sent
            ),
        )
        region.processed()
    expected = folded(east)
    assert folded(west) == expected
    assert expected.keys() == set(USERS)
    for region in shops.values():
        until(f"the states of {region.name}", lambda r=region: r.states() == expected)


def test_the_owner_of_an_origin_answers_and_its_answers_cross(shops: Pair) -> None:
    """People of their own in each: an answer to whom one region heard last answers for both."""
    people = dict(zip(shops, (USERS[::2], USERS[1::2]), strict=True))
    for region in shops.values():
        ask(region.bootstrap, f"of-{region.name}", people[region.name])
    for region in shops.values():
        wanted = {f"of-{region.name}-{user}" for user in people[region.name]}
        here = answered(region, RECOMMENDATIONS.name, wanted)
        peer = shops[region.peer]
        there = answered(peer, peer.copy_of(RECOMMENDATIONS), wanted)
        assert sorted(there, key=_id) == sorted(here, key=_id)
        assert len({_id(one) for one in here}) == len(here) == len(wanted)
        assert {(one.origin, one.region) for one, _ in here} == {(region.name, region.name)}
        owned = control.ownerships(region.settings).origins[region.name]
        assert {header.epoch for _, header in here} == {owned.epoch}
        # The peer read the same asks, and has nothing to say to them.
        peer.processed()
        assert not _to(answers(peer, RECOMMENDATIONS.name), wanted)


def test_who_takes_an_origin_over_answers_what_its_owner_did_not(shops: Pair) -> None:
    """The record is written where the new owner is, and the mirror brings it to the old one."""
    east, west = shops["east"], shops["west"]
    before = {f"before-{user}" for user in USERS}
    ask(east.bootstrap, "before", USERS)
    answered(west, west.copy_of(RECOMMENDATIONS), before)
    _hand_over(shops, to=west)
    ask(east.bootstrap, "behind", USERS)
    wanted = {f"behind-{user}" for user in USERS}
    found = answered(west, RECOMMENDATIONS.name, wanted)
    assert {(one.origin, header.epoch) for one, header in found} == {("east", 33)}
    crossed = answered(east, east.copy_of(RECOMMENDATIONS), wanted)
    assert sorted(crossed, key=_id) == sorted(found, key=_id)
    again = _to(answers(west, RECOMMENDATIONS.name), before)
    assert not again, "what the east had answered is not answered again"

    _hand_over(shops, to=east)
    ask(east.bootstrap, "back", USERS)
    back = answered(east, RECOMMENDATIONS.name, {f"back-{user}" for user in USERS})
    assert {header.epoch for _, header in back} == {48}
    assert len(_to(answers(west, RECOMMENDATIONS.name), wanted)) == len(found)


def test_a_standby_says_whether_it_is_ready(shops: Pair) -> None:
    """Ready with all folded; not when its mirror is silent, and ready again when that is back."""
    west = shops["west"]
    ask(shops["east"].bootstrap, "ready", USERS)

    def of_east() -> Origin:
        found = readiness(west.settings)
        assert found.problem is None
        here, there = found.origins
        assert (here.origin, here.owner, here.heard_s) == ("west", "west", None)
        assert there.origin == "east"
        return there

    until("the west is ready", lambda: of_east().not_ready is None)
    until("it has folded all", lambda: not any(one.behind for one in of_east().partitions))
    found = of_east()
    assert [one.partition for one in found.partitions] == list(range(PARTITIONS))
    assert sum(one.applied for one in found.partitions) >= len(USERS)
    assert found.epoch == control.ownerships(west.settings).origins["east"].epoch
    supervisor.stop(west.home.run, [mirror.NAME])
    until("the mirror is silent", lambda: of_east().not_ready is not None)
    assert "no heartbeat for 1" in (of_east().not_ready or "")
    supervisor.start(west.home, [west.mirror])
    until("the west is ready again", lambda: of_east().not_ready is None)


def _hand_over(shops: Pair, to: Region) -> None:
    """The origin east, with the fences that its new owner knows; returns when both know it."""
    before = control.ownerships(to.settings).origins["east"]
    fences: dict[int, int] = {}
    for one, header in answers(to, to.copy_of(RECOMMENDATIONS)):
        if header.origin == "east" and header.epoch == before.epoch:
            partition = one.read_from.partition
            fences[partition] = max(fences.get(partition, 0), one.cause.appended_at_ms)
    record = Ownership(
        origin="east",
        epoch=next_epoch(before.epoch, to.settings.region_number),
        owner=to.name,
        past=[*before.past, PastEpoch(epoch=before.epoch, owner=before.owner, fences=fences)],
        command_id="test",
    )
    control.write(to.settings, REGION_OWNERSHIP, "east", record)
    for region in shops.values():
        until(
            f"{region.name} knows the new owner",
            lambda region=region: control.ownerships(region.settings).origins["east"] == record,
        )


def _to(given: Answers, wanted: set[str]) -> Answers:
    return [one for one in given if one[0].cause.event_id in wanted]


def _id(answer: tuple[Recommendation, AnswerHeaders]) -> str:
    return answer[0].recommendation_id
