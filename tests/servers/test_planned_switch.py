"""`tidemill region promote --planned`, `demote` and `failback` on two real regions that mirror each
other: nothing is lost, and a command that was killed goes on as itself.
"""

from collections.abc import Iterator

import pytest

from schemas.control import Ownership
from streams.region.ownership import next_epoch
from tests.servers.operators import (
    PEOPLE,
    Asking,
    Shop,
    Shops,
    all_answered,
    opened,
    owned_by,
    validly_answered,
)
from tests.servers.pair import Pair
from tests.servers.states import ask
from tests.servers.workers import until

PLANNED = ("promote", "east", "--planned")


@pytest.fixture(scope="module")
def shops(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shops]:
    yield from opened(pair, tmp_path_factory.mktemp("planned"))


@pytest.fixture
def east(shops: Shops) -> Shop:
    """It owns its own users, and both know that."""
    owned_by(shops, "east")
    return shops["east"]


@pytest.fixture
def west(shops: Shops) -> Shop:
    return shops["west"]


def test_each_ask_is_answered_once_there_and_back(east: Shop, west: Shop) -> None:
    asking = Asking(east, "switched")
    asking.more(10)
    before = east.knows()
    there = west.does(*PLANNED, "--wait-peer")
    assert (there["state"], there["owner"], there["refused"]) == ("done", "west", [])
    assert there["epoch"] == next_epoch(before.epoch, 1)
    assert east.knows() == west.knows()
    asking.more(10)
    back = east.does("failback", "east", "--wait-peer")
    assert (back["state"], back["owner"], back["refused"]) == ("done", "east", [])
    assert back["epoch"] == next_epoch(there["epoch"], 0)
    asking.more(10)
    count = asking.stop()
    for shop in (east, west):
        all_answered(shop, "switched", count)


def test_demote_then_promote_is_the_same_in_two_commands(east: Shop, west: Shop) -> None:
    ask(east.region.bootstrap, "before", PEOPLE)
    all_answered(east, "before")
    ask(east.region.bootstrap, "meanwhile", PEOPLE)
    told = east.does("demote", "east")
    assert (told["state"], told["owner"], told["draining"]) == ("done", "east", True)
    assert set(validly_answered(east, "before").values()) == {1}
    ask(east.region.bootstrap, "between", PEOPLE)
    assert east.does("demote", "east")["state"] == "already"
    told = west.does("promote", "east", "--wait-peer")
    assert (told["state"], told["owner"], told["overruled"]) == ("done", "west", [])
    for name in ("before", "meanwhile", "between"):
        all_answered(west, name)


def test_an_owner_who_is_gone_hands_nothing_over(east: Shop, west: Shop) -> None:
    before = west.knows()
    nowhere = "127.0.0.1:1"
    for call in (PLANNED, (*PLANNED, "--force", "it is a test")):
        says = west.is_refused(*call, peer=nowhere)
        assert "`tidemill region promote east` takes it from one that is gone" in says
    assert west.knows() == east.knows() == before


PLACES = {
    "when it has decided": ("after:infra.failover.journal:Journal.write", 1),
    "when it has fenced others here": ("after:infra.failover.writing:Writer.__enter__", 1),
    "when it has fenced others there": ("after:infra.failover.writing:Writer.__enter__", 2),
    "when the owner is told to drain": ("after:infra.failover.writing:Writer.write", 1),
    "when that is in the journal": ("after:infra.failover.journal:Journal.step", 1),
    "when it is drained": ("before:infra.failover.journal:Journal.step", 2),
    "when it is about to own": ("before:infra.failover.writing:Writer.write", 2),
    "when it owns": ("after:infra.failover.writing:Writer.write", 2),
    "before it looks whether the peer knows": ("after:infra.failover.journal:Journal.step", 3),
}
"""In the order of the steps."""
DRAINS_FROM = "when the owner is told to drain"
OWNS_FROM = "when it owns"


@pytest.mark.parametrize("place", PLACES)
def test_a_switch_that_was_killed_goes_on_as_itself(east: Shop, west: Shop, place: str) -> None:
    before = east.knows()
    west.dies(*PLACES[place], *PLANNED)
    left, held = west.journal(), _newest(east, west)
    assert left is not None
    is_owned = _is_behind(place, OWNS_FROM)
    assert held.draining is (_is_behind(place, DRAINS_FROM) and not is_owned)
    assert held.owner == ("west" if is_owned else "east")
    told = west.does(*PLANNED, "--wait-peer")
    assert told["state"] == ("already" if is_owned else "done")
    assert told["epoch"] == next_epoch(before.epoch, 1)
    record, entry = west.knows(), west.journal()
    assert entry is not None
    assert (entry.step, entry.command_id) == ("done", left.command_id)
    assert record.command_id == left.command_id
    assert [one.epoch for one in west.written()].count(told["epoch"]) == 1
    assert west.does(*PLANNED)["state"] == "already"


@pytest.mark.parametrize("place", [DRAINS_FROM, "when it is about to own", OWNS_FROM])
def test_a_failback_that_was_killed_goes_on_as_itself(shops: Shops, place: str) -> None:
    owned_by(shops, "west")
    east, west = shops["east"], shops["west"]
    before = west.knows()
    ask(east.region.bootstrap, f"while-{list(PLACES).index(place)}", PEOPLE)
    until("it may fail back", lambda: not east.does("failback", "east", "--dry-run")["refused"])
    east.dies(*PLACES[place], "failback", "east")
    left = east.journal()
    told = east.does("failback", "east", "--wait-peer")
    assert told["state"] == ("already" if _is_behind(place, OWNS_FROM) else "done")
    assert told["epoch"] == next_epoch(before.epoch, 0)
    entry = east.journal()
    assert left is not None
    assert entry is not None
    assert (entry.step, entry.command_id) == ("done", left.command_id)
    assert east.knows() == west.knows()
    all_answered(west, f"while-{list(PLACES).index(place)}")


@pytest.mark.parametrize(
    ("place", "is_told"),
    [
        (("after:infra.failover.writing:Writer.__enter__", 1), False),
        (("after:infra.failover.writing:Writer.write", 1), True),
        (("before:infra.failover.journal:Journal.step", 2), True),
    ],
)
def test_a_demotion_that_was_killed_goes_on_as_itself(
    east: Shop, *, place: tuple[str, int], is_told: bool
) -> None:
    east.dies(*place, "demote", "east")
    assert east.knows().draining is is_told
    told = east.does("demote", "east")
    assert (told["state"], told["draining"]) == ("done", True)
    assert [one.draining for one in east.written()].count(True) >= 1
    assert east.does("demote", "east")["state"] == "already"


def _is_behind(place: str, other: str) -> bool:
    return list(PLACES).index(place) >= list(PLACES).index(other)


def _newest(east: Shop, west: Shop) -> Ownership:
    """Of what either cluster says; the mirror may not have brought it to the other yet."""
    return max((east.knows(), west.knows()), key=lambda one: (one.epoch, one.draining))
