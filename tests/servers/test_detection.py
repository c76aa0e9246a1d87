"""Who may give a region up, on real brokers with real mirrors: probers in a region and outside.

The regions own themselves and have no workers: it is about Kafka and the mirror. The east is the
one that is lost, cut off or not; the west would take over.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra import control
from infra.local import mirror, supervisor
from schemas.control import Ownership
from schemas.topics import USER_EVENTS
from streams.region.ownership import next_epoch
from tests.servers.operators import Shop, Shops, owned_by
from tests.servers.pair import PARTITIONS, Pair
from tests.servers.probers import AFTER_S, NOBODY, Probers, probing
from tests.servers.states import ask
from tests.servers.workers import Worker, own, until

LONG_S = 3 * AFTER_S
"""Of silence, in which a promotion would have come several times."""
PEOPLE = [f"person-{number}" for number in range(40)]


@pytest.fixture(scope="module")
def shops(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Shops:
    folder = tmp_path_factory.mktemp("operators")
    for number, region in enumerate(pair.values()):
        own(region.bootstrap, region.name, number)
    for region in pair.values():
        until(
            f"{region.name} knows both owners",
            lambda region=region: len(control.ownerships(region.settings).origins) == 2,
        )
    nobody = Worker("recommend", folder / "none.log", {})
    return {
        name: Shop(region, pair[region.peer], nobody, folder / name)
        for name, region in pair.items()
    }


@pytest.fixture
def before(shops: Shops) -> Ownership:
    """The east owns its own users, and both know that."""
    return owned_by(shops, "east")


@pytest.fixture
def west(shops: Shops) -> Shop:
    return shops["west"]


@pytest.fixture
def probers(pair: Pair, tmp_path: Path) -> Iterator[Probers]:
    with probing({name: region.settings for name, region in pair.items()}, tmp_path) as made:
        yield made


@contextmanager
def mirror_stopped(shop: Shop) -> Iterator[None]:
    """Nothing comes to this region any more, heartbeats included."""
    supervisor.stop(shop.region.home.run, [mirror.NAME])
    try:
        yield
    finally:
        supervisor.start(shop.region.home, [shop.region.mirror])


@contextmanager
def dead(shop: Shop) -> Iterator[None]:
    shop.kill_broker()
    try:
        yield
    finally:
        shop.start_broker()


def is_taken_over(west: Shop, before: Ownership) -> None:
    """By a promotion that says why."""
    until("the west has taken over", lambda: west.knows() != before)
    record = west.knows()
    assert (record.owner, record.epoch) == ("west", next_epoch(before.epoch, 1))
    assert (record.reason or "").startswith("automatic: east is lost: outside has not heard it for")


def test_a_cut_link_is_no_loss_and_a_death_behind_it_is(
    shops: Shops, west: Shop, before: Ownership, probers: Probers
) -> None:
    """The west hears nothing of the east, neither from its Kafka nor by the mirror."""
    with mirror_stopped(west):
        inside = probers.start("west", east=NOBODY)
        outside = probers.start("outside", automatic=True)
        until("the west has lost the east", lambda: inside.silent_s("east") > LONG_S)
        assert outside.hears("east", "kafka")
        assert inside.told("east is lost: west has not heard it for") == 1
        assert outside.told("east may be lost") == outside.told("east is lost") == 0
        assert west.knows() == before
        with dead(shops["east"]):
            is_taken_over(west, before)
            assert outside.told("east is lost: outside has not heard it for") == 1
            until("it says so", lambda: outside.told("west owns east at epoch") == 1)
            assert outside.told("west is lost") == outside.told("west may be lost") == 0


def test_a_region_that_only_the_outside_has_lost_is_not_given_up(
    shops: Shops, west: Shop, before: Ownership, probers: Probers
) -> None:
    """An asymmetric cut. Nor when nobody can say any more what the west sees."""
    inside = probers.start("west")
    outside = probers.start("outside", automatic=True, east=NOBODY)
    until("the outside has lost the east", lambda: outside.silent_s("east") > LONG_S)
    assert inside.hears("east", "kafka")
    assert outside.told("east may be lost") == 1
    assert west.knows() == before

    inside.worker.kill()
    until("longer still", lambda: outside.silent_s("east") > 3 * LONG_S)
    assert west.knows() == before
    assert outside.told("east is lost") == 0

    inside.worker.start()
    until("the west sees it again", lambda: inside.hears("east", "kafka"))
    with dead(shops["east"]):
        is_taken_over(west, before)
        until("by what the west saw", lambda: outside.told("west owns east at epoch") == 1)
    assert "of its events were seen and are not here" in outside.worker.log.read_text()
    assert outside.told("east is heard") == 0


def test_heartbeats_through_the_mirror_are_enough_to_live(
    west: Shop, before: Ownership, probers: Probers
) -> None:
    """Neither the west nor the outside reaches its Kafka."""
    inside = probers.start("west", east=NOBODY)
    outside = probers.start("outside", automatic=True, east=NOBODY)
    until("the outside has lost the east", lambda: outside.silent_s("east") > LONG_S)
    until("the west hears it by the mirror", lambda: inside.hears("east", "mirror"))
    assert not inside.hears("east", "kafka")
    assert west.knows() == before


def test_a_person_is_told_what_a_dead_region_would_lose(
    shops: Shops, west: Shop, before: Ownership, probers: Probers
) -> None:
    """By what a prober saw last; without one it is not known."""
    east = shops["east"]
    with mirror_stopped(west):
        inside = probers.start("west")
        ask(east.region.bootstrap, "lost", PEOPLE)
        events = len(east.region.records(USER_EVENTS.name))
        until("the prober has seen them", lambda: inside.events("east") == events)
        with dead(east):
            dry_run = ("promote", "east", "--dry-run")
            blind = west.does(*dry_run)
            assert (blind["tail_age_s"], blind["tail"][0]["records"]) == (None, None)
            told = west.does(*dry_run, "--prober", inside.address)
            assert told["refused"] == []
            assert told["tail_age_s"] > 0
            assert sum(one["seen"] for one in told["tail"]) == len(PEOPLE)
            assert sum(one["records"] for one in told["tail"]) >= len(PEOPLE)
            assert len(told["tail"]) == PARTITIONS
            assert west.knows() == before
