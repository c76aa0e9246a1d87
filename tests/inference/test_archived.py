"""What an archive stored, as a log: the same however it was cut into shards, and never what was
erased.
"""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.data.archived import Event, log_of, not_erased
from inference.errors import DataError

PLACE = Path("archive")
NOW_MS = 1_700_000_000_000
EVENTS = st.builds(
    Event,
    st.integers(NOW_MS, NOW_MS + 5),
    st.integers(0, 2**64 - 1),
    st.sampled_from(["ann", "bob", "cy"]),
    st.sampled_from(["view", "click", "hide"]),
    st.sampled_from(["a", "b", "c"]),
    st.none(),
)
ERASED = st.dictionaries(st.sampled_from(["ann", "bob"]), st.integers(NOW_MS - 1, NOW_MS + 6))


def event(user, item, time_ms=NOW_MS, event_hash=1, kind="click", value=None):
    return Event(time_ms, event_hash, user, kind, item, value)


def kept(log):
    return [
        (log.users[user], log.items[item], time_ms)
        for user, item, time_ms in zip(log.user, log.item, log.time_ms.tolist(), strict=True)
    ]


def test_of_one_time_the_event_ids_hash_decides_as_in_a_state():
    shards = [[event("bob", "b", event_hash=3)], [event("ann", "a", event_hash=9)]]
    shards[1].append(event("ann", "c", event_hash=2))
    log = log_of(shards, PLACE, {"a": "A"}, {"b": ("x", "y")})
    assert kept(log) == [("ann", "c", NOW_MS), ("bob", "b", NOW_MS), ("ann", "a", NOW_MS)]
    assert log.timed
    assert (log.title(log.items.index("a")), log.title(log.items.index("b"))) == ("A", None)
    assert log.categories_of(log.items.index("b")) == ("x", "y")


@given(
    st.lists(EVENTS, unique_by=lambda one: (one.user, one.event_hash)), ERASED, st.integers(1, 4)
)
def test_shards_change_nothing_and_what_was_erased_is_gone(events, erased, shards):
    parts = [
        not_erased([one for one in events if ord(one.user[0]) % shards == shard], erased)
        for shard in range(shards)
    ]
    left = [one for one in events if one.time_ms > erased.get(one.user, 0)]
    assert sorted(one for part in parts for one in part) == sorted(left)
    if len({one.user for one in left}) < 2 or len({one.item for one in left}) < 2:
        with pytest.raises(DataError, match="nothing can be learnt from that"):
            log_of(parts, PLACE, {}, {})
        return
    log = log_of(parts, PLACE, {}, {})
    assert log.fingerprint() == log_of([not_erased(events, erased)], PLACE, {}, {}).fingerprint()
    for user, _, time_ms in kept(log):
        assert time_ms > erased.get(user, 0)


def test_an_archive_without_events_is_said_with_its_place():
    with pytest.raises(DataError, match=r"^archive: it holds no interaction"):
        log_of([[], []], PLACE, {}, {})
