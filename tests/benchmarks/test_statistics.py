"""Medians, percentiles, bars, options: what the figures are made of, without a server."""

import pytest

from tests.benchmarks.engine import Options
from tests.benchmarks.engine.bars import bars
from tests.benchmarks.statistics import bar, latencies, median_of, percentile


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(value) for value in range(1, 101)]
    assert percentile(values, 50) == 50
    assert percentile(values, 99) == 99
    assert percentile(values, 99.9) == 100
    assert percentile([7.0], 50) == 7
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


def test_latencies_are_told_in_milliseconds_whatever_their_order() -> None:
    found = latencies([0.003, 0.001, 0.002])
    assert found == {"p50_ms": 2.0, "p99_ms": 3.0, "p99_9_ms": 3.0, "max_ms": 3.0}


def test_the_median_leaves_one_slow_run_out() -> None:
    runs = [
        {"cpu_us": 2.0, "records": 5},
        {"cpu_us": 9.0, "records": 5},
        {"cpu_us": 3.0, "records": 5},
    ]
    assert median_of(runs) == {"cpu_us": 3.0, "records": 5}


def test_a_bar_is_met_or_missed() -> None:
    assert bar("less", 2.4, at_most=2.4)["met"]
    assert not bar("less", 2.41, at_most=2.4)["met"]
    assert bar("more", 1.9, at_least=1.9)["met"]
    assert not bar("more", 1.89, at_least=1.9)["met"]


def test_the_bars_compare_with_kafka_streams_as_it_is_after_its_warm_up() -> None:
    found = bars(
        {
            "tidemill": {"cpu_us_per_event": 6.0, "events_per_s": 160_000},
            "kafka_streams": {
                "cpu_us_per_event": 24.0,
                "steady_cpu_us_per_event": 15.0,
                "events_per_s": 60_000,
                "steady_events_per_s": 80_000,
            },
        }
    )
    assert [line["value"] for line in found] == [0.4, 2.0]
    assert bars({"raw": {"cpu_us_per_event": 3.0}}) == []


def test_a_document_names_only_what_differs_from_what_is_committed() -> None:
    options = Options.of(["--events", "2000", "--engines=raw,tidemill"])
    assert (options.events, options.engines) == (2000, ("raw", "tidemill"))
    assert options.command == "tidemill bench engine --events 2000 --engines raw,tidemill"
    assert Options.of([]).command == "tidemill bench engine"


@pytest.mark.parametrize("words", [["--event", "5"], ["--events", "many"], ["--events"], ["5"]])
def test_a_wrong_option_is_told(words: list[str]) -> None:
    with pytest.raises(ValueError, match=r"there are only --events|like 1000000"):
        Options.of(words)
