"""The harness measures real engines on a real broker; the figures are not judged here."""

import msgspec
import pytest

from infra.local.settings import LocalSettings
from schemas.codec import EventDecoder
from tests.benchmarks import engine
from tests.benchmarks.events import EVENT_BYTES, Load, user_events

EVENTS = 40_000
"""A process's CPU time is told in steps of 10 ms, which is what 3,000 cost the raw loop."""


def test_every_event_is_a_click_of_the_declared_size_that_the_codec_takes() -> None:
    decoder = EventDecoder()
    events = list(user_events(Load(EVENTS, users=50)))
    decoded = [decoder.decode_event(value, None, 2_000_000_000_000) for _, value in events]
    assert {len(value) for _, value in events} == {EVENT_BYTES}
    assert [event.user_id.encode() for event in decoded] == [key for key, _ in events]
    assert {event.kind for event in decoded} == {"click"}
    assert len({event.event_id for event in decoded}) == EVENTS
    assert len({event.user_id for event in decoded}) == 50


@pytest.mark.usefixtures("one_broker")
def test_raw_and_tidemill_are_measured_beside_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEMILL_FLUSH_S", "1")
    names = ("raw", "tidemill", "tidemill_per_event")
    options = engine.Options(events=EVENTS, users=100, runs=1, engines=names, memory_users=0)
    told: list[str] = []
    document = engine.run(options, LocalSettings(), told.append)
    assert document == msgspec.json.decode(msgspec.json.encode(document))
    engines = document["engines"]
    assert set(engines) == set(names)
    for figures in engines.values():
        assert figures["events"] == EVENTS
        for name in ("cpu_us_per_event", "events_per_s", "rss_mb", "records_out_per_event"):
            assert figures[name] > 0
    assert engines["raw"]["records_out"] == engines["tidemill_per_event"]["records_out"] == EVENTS
    # Of 100 users each is answered at least once, and nobody more often than asked.
    assert 100 <= engines["tidemill"]["records_out"] < EVENTS
    assert [line["what"] for line in document["bars"]] == ["CPU an event, times raw"]
    assert len(document["runs"]) == len(names)
    assert any("raw" in line for line in told)
    assert set(engine.tables(document)) == {"engines", "bars"}
