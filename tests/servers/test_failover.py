"""`tidemill region promote` on two real regions that mirror each other."""

from collections.abc import Iterator

import psutil
import pytest

from infra.failover import fences
from infra.failover.writing import Writer
from infra.local import mirror, supervisor
from streams.region.ownership import next_epoch
from tests.servers.operators import (
    PEOPLE,
    Shop,
    Shops,
    all_answered,
    crossed,
    opened,
    owned_by,
)
from tests.servers.pair import PARTITIONS, Pair
from tests.servers.states import ask
from tests.servers.workers import DEADLINE_S, until


@pytest.fixture(scope="module")
def shops(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shops]:
    yield from opened(pair, tmp_path_factory.mktemp("shops"))


@pytest.fixture
def east(shops: Shops) -> Shop:
    """It owns its own users, and both know that."""
    owned_by(shops, "east")
    return shops["east"]


@pytest.fixture
def west(shops: Shops) -> Shop:
    return shops["west"]


def test_a_dry_run_tells_all_and_changes_nothing(east: Shop, west: Shop) -> None:
    ask(east.region.bootstrap, "dry", PEOPLE)
    all_answered(west, "dry")
    held, journal = west.knows(), west.journal()
    before = {shop.name: len(shop.written()) for shop in (east, west)}
    with Writer(west.region.settings) as other:
        told = west.does("promote", "east", "--dry-run")
        assert west.tidemill("failback", "east", "--region", "west", "--dry-run").exit_code == 0
        assert east.does("demote", "east", "--dry-run")["refused"] == []
        other.write(held)  # nobody fenced it
    assert told["state"] == "dry run"
    assert told["refused"] == ["east is alive and owns east: `--planned` lets it drain first"]
    assert (told["epoch"], told["owner"]) == (next_epoch(held.epoch, 1), "west")
    assert {name: head["epoch"] for name, head in told["heads"].items()} == {
        "east": held.epoch,
        "west": held.epoch,
    }
    assert [one["records"] for one in told["tail"]] == [0] * PARTITIONS
    assert told["tail_age_s"] == 0
    expected = fences.read(west.region.settings, held)
    assert told["fences"] == {str(partition): ms for partition, ms in expected.items()}
    assert len(told["fences"]) == PARTITIONS
    printed = west.tidemill("promote", "east", "--dry-run").stdout
    assert "would be refused: east is alive" in printed
    assert west.journal() == journal
    assert west.knows() == east.knows() == held
    assert len(east.written()) == before["east"]
    assert len(west.written()) == before["west"] + 1, "the other's"


PLACES = {
    "before it has decided": ("before:infra.failover.journal:Journal.write", 1),
    "when it has decided": ("after:infra.failover.journal:Journal.write", 1),
    "when it has fenced others": ("after:infra.failover.writing:Writer.__enter__", 1),
    "with its transaction open": ("open", 1),
    "when the record is committed": ("after:infra.failover.writing:Writer.write", 1),
    "when it has read it back": ("before:infra.failover.journal:Journal.step", 1),
    "before it looks whether the peer knows": ("after:infra.failover.journal:Journal.step", 1),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_promotion_that_was_killed_goes_on_as_itself(east: Shop, west: Shop, place: str) -> None:
    """One record at one epoch, whichever of the two calls wrote it."""
    before = east.knows()
    call = ("promote", "east", "--force", "it is a test")
    west.dies(*PLACES[place], *call)
    left = west.journal()
    was_decided = left is not None and left.ended_epoch == before.epoch
    assert was_decided is (place != "before it has decided")
    was_written = list(PLACES).index(place) >= list(PLACES).index("when the record is committed")
    told = west.does(*call, "--wait-peer")
    assert told["state"] == ("already" if was_written else "done")
    assert told["epoch"] == next_epoch(before.epoch, 1)
    assert [one.epoch for one in west.written()].count(told["epoch"]) == 1
    record, entry = west.knows(), west.journal()
    assert entry is not None
    assert (entry.step, entry.epoch, entry.command_id) == ("done", record.epoch, record.command_id)
    assert left is None or not was_decided or entry.command_id == left.command_id
    assert east.knows() == record
    assert west.does(*call)["state"] == "already"


def test_of_two_operators_the_first_is_fenced(east: Shop, west: Shop) -> None:
    """He has decided and is about to write when the other comes, on another machine."""
    before = east.knows()
    first = west.begins(
        "SIGSTOP", "after:infra.failover.writing:Writer.__enter__", 1,
        "promote", "east", "--force", "the first",
    )  # fmt: skip
    process = psutil.Process(first.pid)
    until("he has stopped", lambda: process.status() == psutil.STATUS_STOPPED)
    second = Shop(west.region, west.peer, west.worker, west.home.with_name("elsewhere"))
    told = second.does("promote", "east", "--force", "the second")
    assert told["state"] == "done"
    process.resume()
    _, said = first.communicate(timeout=DEADLINE_S)
    assert first.returncode == 1
    (line,) = said.splitlines()
    assert "changed while this command looked: west owns east" in line
    assert west.knows().reason.startswith("the second")
    assert [one.epoch for one in west.written()].count(next_epoch(before.epoch, 1)) == 1
    assert west.does("promote", "east")["state"] == "already"


def test_who_was_fenced_behind_his_last_look_writes_nothing(east: Shop, west: Shop) -> None:
    before = east.knows()
    first = west.begins(
        "SIGSTOP", "before:infra.failover.writing:Writer.write", 1,
        "promote", "east", "--force", "the first",
    )  # fmt: skip
    process = psutil.Process(first.pid)
    until("he has stopped", lambda: process.status() == psutil.STATUS_STOPPED)
    second = Shop(west.region, west.peer, west.worker, west.home.with_name("elsewhere"))
    assert second.does("promote", "east", "--force", "the second")["state"] == "done"
    process.resume()
    _, said = first.communicate(timeout=DEADLINE_S)
    assert first.returncode == 1
    (line,) = said.splitlines()
    assert "another operator's command on the cluster of west came after this one" in line
    assert west.knows().reason.startswith("the second")
    assert [one.epoch for one in west.written()].count(next_epoch(before.epoch, 1)) == 1


def test_what_had_not_crossed_is_listed_by_id_when_its_region_is_back(
    east: Shop, west: Shop
) -> None:
    ask(east.region.bootstrap, "crossed", PEOPLE)
    until("they have crossed", lambda: crossed(west, "crossed") == len(PEOPLE))
    supervisor.stop(west.region.home.run, [mirror.NAME])
    ask(east.region.bootstrap, "alone", PEOPLE)
    told = west.does("promote", "east", "--force", "it is gone")
    assert sum(one["records"] for one in told["tail"]) == len(PEOPLE)
    ask(east.region.bootstrap, "behind", PEOPLE)
    listed = west.does("lost", "east")
    assert {one["event_id"] for one in listed} == {f"alone-{person}" for person in PEOPLE}
    assert {one["user_id"] for one in listed} == set(PEOPLE)
    assert not any(one["crossed"] for one in listed)
    assert west.tidemill("lost", "east", peer="127.0.0.1:1").exit_code == 1
    supervisor.start(west.region.home, [west.region.mirror])
    until("all are here", lambda: all(one["crossed"] for one in west.does("lost", "east")))
    assert len(west.does("lost", "east")) == len(PEOPLE)
    printed = west.tidemill("lost", "east").stdout
    assert f"{len(PEOPLE)} events of east had not crossed; 0 of them have not yet" in printed
    owned_by({"east": east, "west": west}, "east")
    says = west.is_refused("lost", "east")
    assert "is not the one that holds" in says
