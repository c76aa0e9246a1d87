"""How waiting is counted, and a short run on a real broker; the figures are not judged here."""

import msgspec
import pytest

from infra.local.settings import LocalSettings
from tests.benchmarks import latency
from tests.benchmarks.latency.bars import bars
from tests.benchmarks.latency.generator import NS
from tests.benchmarks.latency.reader import Arrived
from tests.benchmarks.latency.waits import Waited, waited

ENDED_NS = 100 * NS


def event(due_s: int, number: int, arrived_s: int, user: str = "u", kind: str = "click") -> Arrived:
    """Appended in the order of its number."""
    value = {"event_id": f"{due_s * NS:016x}{number:016x}", "user_id": user, "kind": kind}
    return Arrived(arrived_s * NS, number, msgspec.json.encode(value))


def slate(
    due_s: int, number: int, arrived_s: int, user: str = "u", fallback: str | None = None
) -> Arrived:
    """Its cause is the event of these numbers."""
    cause = {"event_id": f"{due_s * NS:016x}{number:016x}", "appended_at_ms": number}
    value = {"user_id": user, "surface": "main", "cause": cause, "fallback": fallback}
    return Arrived(arrived_s * NS, number, msgspec.json.encode(value))


def counted(events: list[Arrived], slates: list[Arrived], since_s: int = 0) -> Waited:
    return waited(events, slates, ("click",), since_s * NS, ENDED_NS)


def test_an_ask_waits_from_its_schedule_until_its_slate() -> None:
    found = counted([event(10, 1, 12)], [slate(10, 1, 15)])
    assert found.for_events == [2]
    assert found.for_slates == [5]
    assert (found.unanswered, found.superseded, found.slates) == (0, 0, 1)


def test_a_newer_asks_slate_answers_those_before_it_and_none_behind_it() -> None:
    events = [event(10, 1, 11), event(11, 2, 12), event(12, 3, 13)]
    found = counted(events, [slate(11, 2, 20)])
    assert found.for_slates == [10, 9, 88]
    assert (found.unanswered, found.superseded) == (1, 1)


def test_an_ask_is_not_answered_by_another_users_slate() -> None:
    found = counted([event(10, 1, 11, "u"), event(10, 2, 11, "v")], [slate(10, 2, 12, "v")])
    assert found.for_slates == [90, 2]


def test_a_slate_that_came_early_answers_what_a_later_one_would_too() -> None:
    found = counted([event(10, 1, 11)], [slate(10, 1, 14), slate(11, 2, 13)])
    assert found.for_slates == [3]


def test_the_warm_up_and_events_that_ask_for_nothing_do_not_count_as_asks() -> None:
    events = [event(1, 1, 2), event(10, 2, 11, kind="view"), event(10, 3, 11, "v")]
    slates = [slate(1, 1, 3, fallback="deadline"), slate(10, 3, 12, "v", fallback="deadline")]
    found = counted(events, slates, since_s=5)
    assert found.for_events == [1, 1]
    assert found.for_slates == [2]
    assert (found.slates, found.fallbacks) == (1, 1)


def setup(slate: str, core: float, over_ms: float, fallback: float = 0.0) -> dict[str, object]:
    return {
        "slate": slate,
        "rate": 1000,
        "fetch_wait_ms": 25,
        "one_core": False,
        "core": core,
        "p99_over_plain_ms": over_ms,
        "fallback_share": fallback,
    }


def test_a_bar_takes_the_best_setup_within_its_cores() -> None:
    found = bars([setup("constant", 0.3, 20), setup("constant", 0.15, 34)])
    assert [(line["value"], line["met"]) for line in found] == [(20, True), (34, True)]


def test_a_bar_is_missed_where_no_setup_is_cheap_enough() -> None:
    found = bars([setup("constant", 0.3, 20)])
    assert [line["met"] for line in found] == [True, False]


def test_fallbacks_are_not_the_model() -> None:
    found = bars([setup("model", 0.3, 20, fallback=0.02)])
    assert [line["met"] for line in found] == [True, False]


@pytest.mark.usefixtures("one_broker")
def test_a_worker_is_measured_beside_a_plain_consumer() -> None:
    options = latency.Options(
        slates=("constant",), rates=(100,), fetch_wait_ms=(25,), seconds=3, warm_s=0.5, runs=1,
        broker_warm_s=1,
    )  # fmt: skip
    told: list[str] = []
    document = latency.run(options, LocalSettings(), told.append)
    assert document == msgspec.json.decode(msgspec.json.encode(document))
    (found,) = document["setups"]
    assert found["asks"] == found["events"]
    assert 0 < found["events"] <= 300
    assert found["unanswered"] == 0
    assert found["fallback_share"] == 0
    assert 0 < found["plain_p50_ms"] <= found["p50_ms"] <= found["p99_ms"] <= found["max_ms"]
    assert 0 < found["core"] < 2
    assert found["transactions_per_s"] > 0
    assert document["bars"] == []
    assert any("100 events/s" in line for line in told)
    assert set(latency.tables(document)) == {"latency", "bars"}
