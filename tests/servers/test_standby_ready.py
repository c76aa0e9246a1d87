"""What makes a standby not ready on real servers, and that it says so: to a person, and as metrics.

The east stands by for the west. Each region has a worker, one Triton serves a release to both.
"""

import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from infra import control
from infra.local import ports
from infra.peer_lists import PeerLists, Users
from infra.standby import Origin, readiness
from schemas.control import ModelRelease, Served
from schemas.identifiers import item_hash
from schemas.serving import MODEL
from schemas.state import EMPTY, KIND_CODES, Interaction
from schemas.topics import MODEL_RELEASES, STATE_JOINS
from streams.settings import Settings
from tests.servers import served_pair
from tests.servers.conftest import RunningTriton
from tests.servers.pair import REGIONS, Pair
from tests.servers.served_pair import SLICES, USERS
from tests.servers.states import ask, put, send
from tests.servers.workers import Worker, until

DIGEST_S = 10
"""Lists of the last two turns tell whether Triton is warm, and a look may take seconds."""
DEADLINE_S = 300.0
"""A user must differ twice, and be listed alike again, on two slow, shared cores."""


@pytest.fixture(scope="module")
def shops(
    pair: Pair, triton: RunningTriton, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    yield from served_pair.started(pair, triton, tmp_path_factory.mktemp("ready"), DIGEST_S)


READY = 'tidemill_standby_ready{origin="west"} 1.0'


class East:
    """What the east finds out about itself as a standby of the west, who is asked all the while."""

    def __init__(self, pair: Pair) -> None:
        self._west = pair["west"]
        self.settings = pair["east"].settings.model_copy(
            update={"digest_s": DIGEST_S, "digest_slices": SLICES}
        )
        self._lists = PeerLists(self.settings)
        self._asked = 0

    def of_west(self) -> Origin:
        self._asked += 1
        ask(self._west.bootstrap, f"ready-{self._asked}", USERS)
        found = readiness(self.settings, self._lists)
        assert found.problem is None
        return next(one for one in found.origins if one.origin == "west")

    def until_ready(self) -> None:
        self._until("the east is ready and warm", lambda one: one.is_warm and not one.reasons)

    def until_all_compared(self) -> Users:
        """A list is of those users only who were folded when it was made."""

        def compared(one: Origin) -> bool:
            return one.users is not None and one.users.compared >= len(USERS)

        users = self._until("all users were compared", compared).users
        assert users is not None
        return users

    def until_not(self, about: str) -> str:
        """What it says about it."""

        def says(one: Origin) -> list[str]:
            return [reason.says for reason in one.reasons if reason.about == about]

        return says(self._until(f"the east is not ready for {about}", says))[0]

    def _until(self, what: str, condition: Callable[[Origin], object]) -> Origin:
        """The Origin of which it is true."""
        found: list[Origin] = []

        def is_so() -> bool:
            found[:] = [self.of_west()]
            return bool(condition(found[0]))

        try:
            until(what, is_so, DEADLINE_S)
        except AssertionError as error:
            raise AssertionError(f"{error}: {found}") from None
        return found[0]


@pytest.fixture
def east(shops: Pair) -> East:
    send(shops["west"].bootstrap, 100, seed=7, users=USERS)
    return East(shops)


@pytest.fixture
def watcher(east: East, tmp_path: Path) -> Iterator[str]:
    """The address of the watcher's metrics."""
    settings: Settings = east.settings
    port = ports.free_port(frozenset())
    given = {
        "kafka": settings.kafka, "region": settings.region, "partitions": settings.partitions,
        "peers": ",".join(settings.peers), "metrics_port": port,
        "digest_s": DIGEST_S, "digest_slices": SLICES,
    }  # fmt: skip
    program = ("-m", "infra.watch_standby")
    worker = Worker("standby", tmp_path / "watcher.log", given, program).start()
    yield f"http://127.0.0.1:{port}/metrics"
    worker.stop()


def told(url: str) -> list[str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            text: str = answer.read().decode()
    except OSError:
        return []
    return text.splitlines()


def test_it_is_ready_where_all_is_alike_and_a_user_that_differs_twice_ends_that(
    shops: Pair, east: East, watcher: str
) -> None:
    east.until_ready()
    assert east.until_all_compared().differing_twice == 0
    until(
        "it is told as a metric",
        lambda: 'tidemill_standby_ready{origin="west"} 1.0' in told(watcher),
    )

    kim = USERS[0]
    more = Interaction(1_600_000_000_000, 7, KIND_CODES["click"], 0, item_hash("i3"))
    joined = msgspec.structs.replace(EMPTY, history=more.pack()).encode()
    put(shops["east"].bootstrap, STATE_JOINS.name, [(kim, joined)])
    says = east.until_not("users")
    assert f"1 users differ for good from those of west, such as {kim}" in says
    differs = 'tidemill_standby_users{found="differing_twice",origin="west"} 1.0'
    until("that is told too", lambda: differs in told(watcher), DEADLINE_S)
    assert 'tidemill_standby_ready{origin="west"} 0.0' in told(watcher)
    assert 'tidemill_standby_against{about="users",origin="west"} 1.0' in told(watcher)

    put(shops["west"].bootstrap, STATE_JOINS.name, [(kim, joined)])
    east.until_ready()
    until("a join has mended it", lambda: READY in told(watcher), DEADLINE_S)


def test_another_version_than_the_owner_s_and_a_triton_that_stands_still_are_told(
    east: East, triton: RunningTriton
) -> None:
    east.until_ready()
    released = control.releases(east.settings).current(MODEL)
    assert released is not None
    here = released.served["east"].version

    def serve(revision: int, **served: Served) -> None:
        record: ModelRelease = msgspec.structs.replace(
            released, revision=released.revision + revision, served=served
        )
        control.write(east.settings, MODEL_RELEASES, MODEL, record)

    serve(1, east=released.served["east"])
    assert east.until_not("model") == f"it serves version {here}, its owner no model"
    serve(2, **dict.fromkeys(REGIONS, released.served["east"]))
    east.until_ready()

    triton.pause()
    try:
        assert "sampled asks in time" in east.until_not("triton")
    finally:
        triton.resume()
    east.until_ready()
