"""A region's readiness as metrics: what is told, what goes again, and when nobody answers."""

from prometheus_client import REGISTRY

from infra.peer_lists import Sampled, Users
from infra.standby import Model, Origin, Partition, Readiness, Reason
from infra.watch_standby import show
from streams.settings import Settings

SETTINGS = Settings(region="east", peers=("west",))


def origin(name: str, *reasons: Reason, heard_s: float | None = None) -> Origin:
    return Origin(
        origin=name,
        epoch=16,
        owner=name,
        draining=False,
        heard_s=heard_s,
        partitions=[Partition(partition=3, applied=5, end=9, behind=4)],
        users=Users(
            peer=name, compared=9, equal=7, differing=2, differing_twice=1, such_as=["ann"]
        ),
        model=Model(here=None, owner=None),
        is_warm=None,
        reasons=list(reasons),
        not_ready=None,
    )


def readiness(*origins: Origin, problem: str | None = None) -> Readiness:
    return Readiness(
        region="east",
        held=8,
        partitions=8,
        sampled=Sampled(scored=5, failed=1),
        origins=list(origins),
        problem=problem,
    )


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"tidemill_standby_{name}", labels)


def test_each_number_is_told_and_goes_when_it_holds_no_more() -> None:
    against = Reason("mirror", "silent"), Reason("users", "differ")
    show(SETTINGS, readiness(origin("east"), origin("west", *against, heard_s=2.0)))
    assert (value("ready", origin="east"), value("ready", origin="west")) == (1, 0)
    assert value("against", origin="west", about="mirror") == 1
    assert value("against", origin="east", about="mirror") is None
    assert value("behind_records", origin="west", partition="3") == 4
    assert value("heard_time_seconds", origin="east") is None
    assert [
        value("users", origin="west", found=found)
        for found in ("equal", "differing", "differing_twice")
    ] == [7, 2, 1]
    assert (value("sampled", outcome="scored"), value("sampled", outcome="failed")) == (5, 1)
    looked_s, heard_s = value("looked_time_seconds"), value("heard_time_seconds", origin="west")
    assert looked_s is not None
    assert heard_s is not None
    assert 0 < looked_s - heard_s < 3

    show(SETTINGS, readiness(origin("east"), origin("west")))
    assert value("ready", origin="west") == 1
    assert value("against", origin="west", about="mirror") is None
    assert value("heard_time_seconds", origin="west") is None


def test_a_region_that_does_not_answer_is_ready_for_nothing() -> None:
    show(SETTINGS, readiness(origin("east"), origin("west", heard_s=1.0)))
    looked = value("looked_time_seconds")
    show(SETTINGS, readiness(problem="Kafka does not answer"))
    assert (value("ready", origin="east"), value("ready", origin="west")) == (0, 0)
    assert value("behind_records", origin="west", partition="3") is None
    assert value("looked_time_seconds") == looked
