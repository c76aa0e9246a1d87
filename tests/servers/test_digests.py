"""The lists of digests a real worker publishes, and what a peer sees by them."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import pytest

from infra import topics
from schemas.codec import encode
from schemas.control import StateDigest, UserDigest
from schemas.identifiers import item_hash
from schemas.state import KIND_CODES, Interaction
from schemas.topics import REGION_OWNERSHIP, STATE_DIGESTS, STATE_JOINS
from streams.lane.forwarding import partition_of
from streams.region.parity import Parity, slice_of
from streams.state.digests import state_digest
from tests.servers.conftest import PARTITIONS, REGION, RunningKafka
from tests.servers.states import States, folded, processed, put, send, stock
from tests.servers.workers import Log, Worker, own, produce, until

PEER = "west"
SLICES = 2
ABOVE_MS = 3_600_000
"""Past the newest record of everybody."""

Start = Callable[..., Worker]


@pytest.fixture
def shop(fresh_kafka: RunningKafka) -> str:
    topics.create(fresh_kafka.bootstrap, PARTITIONS, REGION, [PEER])
    own(fresh_kafka.bootstrap)
    stock(fresh_kafka.bootstrap)
    return fresh_kafka.bootstrap


@pytest.fixture
def listing(shop: str, start_worker: Start, tmp_path: Path) -> Worker:
    return start_worker(
        kafka=shop,
        peers=PEER,
        digest_s=0.5,
        digest_slices=SLICES,
        state_dir=tmp_path / "state",
        session_timeout_ms=2_500,
    )


def newest(lists: Iterable[StateDigest]) -> dict[str, str]:
    """User -> the digest last listed."""
    by_place = {(one.partition, one.slice): one for one in lists}
    return {user.user: user.digest for one in by_place.values() for user in one.users}


def digests(states: States) -> dict[str, str]:
    return {user: state_digest(state) for user, state in states.items()}


def read(log: Log) -> list[StateDigest]:
    return [msgspec.json.decode(record.value() or b"", type=StateDigest) for record in log.read()]


def peer_of(states: States, one: StateDigest) -> StateDigest:
    """What a peer with these states would list of the same users, having folded everything."""
    users = [
        UserDigest(user=user, digest=state_digest(state), newest_ms=state.newest_appended_ms)
        for user, state in states.items()
        if partition_of(user, PARTITIONS) == one.partition and slice_of(user, SLICES) == one.slice
    ]
    return StateDigest(
        region=PEER,
        partition=one.partition,
        slice=one.slice,
        folded_to=one.folded_to,
        users=users,
    )


@pytest.mark.usefixtures("listing")
def test_lists_name_every_user_with_the_digest_of_what_was_folded(shop: str) -> None:
    send(shop, 200, seed=1)
    log = Log(shop, STATE_DIGESTS.name)
    lists: list[StateDigest] = []

    def are_listed() -> bool:
        lists.extend(read(log))
        return newest(lists) == digests(folded(shop))

    until("the lists name everybody as he is", are_listed)
    assert {one.region for one in lists} == {REGION}
    assert {one.partition for one in lists} <= set(range(PARTITIONS))
    log.close()


def test_all_users_are_listed_at_once_when_somebody_asks(shop: str, start_worker: Start) -> None:
    """A record that changes nothing of who owns the origin reaches every worker."""
    start_worker(kafka=shop, peers=PEER, digest_s=3_600, digest_slices=16)
    send(shop, 200, seed=1)
    processed(shop)
    asked = msgspec.structs.replace(own(shop), rotation_ms=int(time.time() * 1000))
    produce(shop, REGION_OWNERSHIP.name, encode(asked), key=REGION, schema="ownership")
    log = Log(shop, STATE_DIGESTS.name)
    lists: list[StateDigest] = []

    def are_listed() -> bool:
        lists[:] = read(log)
        return newest(lists) == digests(folded(shop))

    until("the lists name everybody as he is", are_listed)
    assert {one.slice for one in lists} == set(range(16))
    log.close()


def test_lists_go_on_behind_a_crash(shop: str, listing: Worker) -> None:
    send(shop, 200, seed=1)
    log = Log(shop, STATE_DIGESTS.name)
    lists: list[StateDigest] = []
    until("there is a list", lambda: read(log))
    listing.kill()
    read(log)
    listing.start()
    send(shop, 200, seed=2)

    def are_listed() -> bool:
        lists.extend(read(log))
        return newest(lists) == digests(folded(shop))

    until("the lists name everybody as he is", are_listed)
    log.close()


@pytest.mark.usefixtures("listing")
def test_a_peer_finds_no_difference_and_then_who_has_diverged(shop: str) -> None:
    send(shop, 200, seed=1)
    states = folded(shop)
    log = Log(shop, STATE_DIGESTS.name)
    parity = Parity(REGION, PEER)

    def compared() -> Parity:
        for one in read(log):
            # Nothing more is sent, so this peer has folded all there is.
            passed = {origin: at_ms + ABOVE_MS for origin, at_ms in one.folded_to.items()}
            there = msgspec.structs.replace(one, folded_to=passed)
            parity.add([there, peer_of(states, there)])
        return parity

    until("everybody is found alike", lambda: compared().equal == len(states))
    assert not parity.diverged

    kim = next(iter(states))
    more = Interaction(1_600_000_000_000, 7, KIND_CODES["click"], 0, item_hash("i3"))
    joined = msgspec.structs.replace(states[kim], history=more.pack())
    put(shop, STATE_JOINS.name, [(kim, joined.encode())])
    until("he is found to differ for good", lambda: compared().diverged == {kim})
    assert parity.equal == len(states) - 1
    log.close()
