"""What the workers make of a Triton, as `tidemill status` tells it."""

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from infra.tritons import Triton, seen

URL = "127.0.0.1:8011"
ASKED = Triton(url=URL, ready=True, model="recommender", version="1")


def told(in_flight: float, latency_s: float, ejected: float) -> str:
    """By a worker that asks two Tritons."""
    registry = CollectorRegistry()
    for name, value in (
        ("tidemill_triton_in_flight", in_flight),
        ("tidemill_triton_latency_seconds", latency_s),
        ("tidemill_triton_ejected", ejected),
    ):
        gauge = Gauge(name, name, ["endpoint"], registry=registry)
        gauge.labels(URL).set(value)
        gauge.labels("127.0.0.1:8001").set(77)
    return generate_latest(registry).decode()


def test_the_views_of_the_workers_are_put_together() -> None:
    found = seen(ASKED, {"recommend-1": told(2, 0.0123, 0), "recommend-2": told(1, 0.2, 1)})
    assert (found.in_flight, found.latency_ms) == (3, 200.0)
    assert found.ejected_by == ["recommend-2"]
    assert (found.url, found.ready, found.version) == (URL, True, "1")


def test_nobody_who_asked_it_is_no_view() -> None:
    assert seen(ASKED, {}) == ASKED
    assert seen(ASKED, {"recommend-1": "# nothing yet\n"}) == ASKED
