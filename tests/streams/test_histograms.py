"""A bulk histogram is told to Prometheus as the client's own histogram of the same values is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from streams.histograms import BulkHistogram

BOUNDS = (0.0078125, 0.25, 1.0, 2.5, 60.0)
SURFACES = ("home", "cart", 'with "quotes"')

# Short floats: their sums are the same in any order.
values_s = st.one_of(
    st.sampled_from(BOUNDS), st.integers(-1, 100).map(float), st.floats(-1, 100, width=16)
)
calls = st.lists(st.tuples(st.sampled_from(SURFACES), st.lists(values_s, max_size=20)))


def exposition(registry: CollectorRegistry) -> list[str]:
    """Its lines, but for the times at which the client's own children were made."""
    return [
        line for line in generate_latest(registry).decode().splitlines() if "_created" not in line
    ]


@given(calls)
def test_the_exposition_is_that_of_the_clients_own_histogram(
    calls: list[tuple[str, list[float]]],
) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    bulk = BulkHistogram("waited_seconds", "How long", "surface", BOUNDS, ours)
    single = Histogram("waited_seconds", "How long", ["surface"], buckets=BOUNDS, registry=theirs)
    for surface, values in calls:
        bulk.observe(surface, values)
        child = single.labels(surface)
        for value in values:
            child.observe(value)
    assert exposition(ours) == exposition(theirs)


def test_a_second_one_of_the_same_name_is_refused_without_being_collected() -> None:
    registry = CollectorRegistry()
    BulkHistogram("waited_seconds", "How long", "surface", BOUNDS, registry)
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        Histogram("waited_seconds", "How long", registry=registry)
