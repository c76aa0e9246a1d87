"""A log as events: the same log gives the same records, paced as asked, cut where asked."""

from typing import Any

import numpy as np
import pytest

from inference.data import Interactions
from inference.errors import DataError
from infra.cli.demo.measure import next_items, popular_hits
from infra.cli.demo.people import suffix_of_this_run
from infra.cli.moments import between, moment_ms
from infra.local.home import Home
from infra.replay import UNTIMED_FROM_MS, Pace, item_updates, user_events
from schemas.codec import EventDecoder, MessageDecoder, encode, schema_header
from schemas.items import ItemUpdate
from schemas.state import KIND_CODES

START_MS = 1_700_000_000_000


def log_of(*rows: tuple[int, int, str, float], **more: Any) -> Interactions:
    """Rows of (user, item, kind, value), a second apart."""
    return Interactions(
        **{
            "name": "shop",
            "users": ("ann", "ben", "cy"),
            "items": ("i0", "i1", "i2", "i3"),
            "user": np.array([row[0] for row in rows], np.int32),
            "item": np.array([row[1] for row in rows], np.int32),
            "time_ms": START_MS + 1000 * np.arange(len(rows)),
            "value": np.array([row[3] for row in rows], np.float32),
            "kind": np.array([KIND_CODES[row[2]] for row in rows], np.uint8),
            "line": np.arange(1, len(rows) + 1),
            **more,
        }
    )


LOG = log_of(
    (0, 1, "rating", 4.0), (1, 2, "click", np.nan), (0, 3, "purchase", 2.0), (2, 0, "hide", np.nan)
)


def test_every_event_is_one_that_the_contract_takes() -> None:
    decoder = EventDecoder()
    events = list(user_events(LOG))
    name, version = schema_header("user-event")
    assert name
    for event in events:
        assert decoder.decode_event(encode(event), version, START_MS) == event
    assert [event.kind for event in events] == ["rating", "click", "purchase", "hide"]
    assert (events[0].value, events[0].scale) == (4.0, 5.0)  # type: ignore[union-attr]
    assert events[2].quantity == 2  # type: ignore[union-attr]
    assert [event.user_id for event in events] == ["ann", "ben", "ann", "cy"]
    assert [event.at_ms for event in events] == LOG.time_ms.tolist()


def test_a_log_gives_the_same_events_each_time_and_no_two_alike() -> None:
    rows = [(0, 1, "click", np.nan)] * 3
    first = log_of(*rows, time_ms=np.full(3, START_MS))
    assert list(user_events(first)) == list(user_events(first))
    assert len({event.event_id for event in user_events(first)}) == 3
    others = {event.user_id for event in user_events(first, ".2")}
    assert others == {"ann.2"}
    part = first.select(np.array([2]))
    assert next(user_events(part)) == list(user_events(first))[2], "also of a part of the log"


def test_a_log_without_times_gets_some_that_are_accepted() -> None:
    untimed = log_of((0, 1, "click", np.nan), timed=False, time_ms=np.array([3]))
    (event,) = user_events(untimed)
    assert event.at_ms == UNTIMED_FROM_MS + 3000


def test_items_have_titles_or_their_ids_for_titles() -> None:
    decoder: MessageDecoder[ItemUpdate] = MessageDecoder("item-update")
    titled = log_of((0, 0, "click", np.nan), titles=("T0", None, "T2", "T3"))
    updates = [decoder.decode(encode(update)) for update in item_updates(titled)]
    assert [update.title for update in updates] == ["T0", "i1", "T2", "T3"]
    assert updates == list(item_updates(titled))


def test_a_pace_says_when_an_event_is_due() -> None:
    assert Pace().due_s(1000, 5000) == 0
    assert Pace(rate=100).due_s(50, 5000) == 0.5
    assert Pace(speed=10).due_s(50, 5000) == 0.5


def test_a_log_is_cut_at_a_share_or_a_date() -> None:
    assert moment_ms(LOG, "50%") == START_MS + 2000
    assert len(between(LOG, None, "50%")) + len(between(LOG, "50%", None)) == len(LOG)
    assert len(between(LOG, None, "100%")) == len(LOG)
    assert not len(between(LOG, "100%", None))
    assert moment_ms(LOG, "2023-11-14T22:13:20") == START_MS
    assert moment_ms(LOG, "2023-11-14T23:13:20+01:00") == START_MS


@pytest.mark.parametrize("text", ["soon", "x%", "101%", "-1%", "nan%"])
def test_a_moment_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(DataError):
        moment_ms(LOG, text)


def test_what_a_person_did_next_and_what_popularity_would_have_shown() -> None:
    click = ("click", np.nan)
    log = log_of((0, 1, *click), (1, 1, *click), (1, 2, *click), (0, 3, *click), (0, 1, *click))
    assert next_items(log) == [3, 2, -1, 1, -1]
    # The list of the past is i1, i2. After row 0 ann has had i1: i2 is shown, i3 comes: a miss.
    # After row 1 ben has had i1: i2 is shown and comes: a hit.
    assert popular_hits(log, START_MS + 3000, [0]) == 0
    assert popular_hits(log, START_MS + 3000, [0, 1]) == 1


def test_each_run_of_the_demo_has_people_of_its_own(tmp_path: Any) -> None:
    home = Home(tmp_path, tmp_path)
    assert [suffix_of_this_run(home) for _ in range(3)] == ["", ".2", ".3"]
