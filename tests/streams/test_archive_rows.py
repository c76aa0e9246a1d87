"""Records to rows: what a row holds, what has none, and which of two copies is kept."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.topics import TOPICS, mirrored_name
from streams.lane.dead_letters import REASON
from streams.stages.archive.cells import version_at
from streams.stages.archive.rows import ROWS, rows_of, topic_and_origin
from streams.stages.archive.tables import (
    TABLES,
    DeadLetterRow,
    ItemUpdateRow,
    ItemVectorRow,
    RecommendationRow,
    RegionOwnershipRow,
    Row,
    UserEventRow,
    columns,
)
from streams.state.fold import FAST_CLOCK_MS
from tests.streams import archive_records as records
from tests.streams.records import FakeRecord

NOW_MS = 1_700_000_000_000


def row_of(record: FakeRecord, region: str = "east") -> Row:
    (block,) = rows_of([record], region, 10).blocks
    (row,) = block.rows
    return row


def test_every_archived_topic_has_rows_and_a_table() -> None:
    assert set(ROWS) == {topic for topic in TOPICS if topic.archived}
    kinds = {type(row_of(record)) for record in records.one_of_each(NOW_MS).values()}
    assert kinds == set(TABLES)


def test_a_nested_field_is_a_column_of_its_structure() -> None:
    assert "items.item_id" in columns(RecommendationRow)
    assert columns(UserEventRow)[0] == "user_id"


@pytest.mark.parametrize("topic", [topic for topic in TOPICS if topic.archived and topic.mirrored])
def test_a_mirrored_copy_is_the_same_row(topic) -> None:
    record = records.one_of_each(NOW_MS)[topic]
    copy = FakeRecord(
        record.value(),
        key=record.key(),
        topic=mirrored_name("east", topic),
        partition=record.partition(),
        offset=record.offset(),
        timestamp_ms=NOW_MS,
        headers=record.headers(),
    )
    assert row_of(copy, region="west") == row_of(record, region="east")


def test_the_topic_says_where_a_record_was_produced() -> None:
    assert topic_and_origin("west.user-events", "east")[1] == "west"
    assert topic_and_origin("user-events", "east")[1] == "east"
    assert topic_and_origin("user-events.dead-letter", "east")[0].name == "user-events.dead-letter"
    for unknown in ("user-state.changelog", "east.nothing", "nothing"):
        with pytest.raises(KeyError):
            topic_and_origin(unknown, "east")


def test_an_event_cannot_have_happened_long_after_it_was_appended() -> None:
    row = row_of(records.event(NOW_MS, at_ms=NOW_MS + 3_600_000))
    assert isinstance(row, UserEventRow)
    assert row.happened_at_ms == NOW_MS + FAST_CLOCK_MS
    assert row.at_ms == NOW_MS + 3_600_000


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"kind": "rating", "value": 4}, {"rating_value": 4.0, "rating_scale": 5.0}),
        ({"kind": "purchase", "quantity": 2, "price": 9.5}, {"quantity": 2, "price": 9.5}),
        ({"kind": "search", "query": "tea"}, {"text": "tea", "item_id": ""}),
        ({"kind": "chat", "text": "hello"}, {"text": "hello"}),
        ({"kind": "follow", "followed_user_id": "lee"}, {"followed_user_id": "lee"}),
        ({"context": {"locale": "zh-CN", "device": "tv"}}, {"locale": "zh-CN", "device": "tv"}),
        (
            {"kind": "impression", "recommendation_id": "r", "epoch": 16, "position": 2},
            {"recommendation_id": "r", "epoch": 16, "position": 2},
        ),
        (
            {"kind": "impression", "recommendation_id": "r", "epoch": 2**62, "position": 2**40},
            {"epoch": 2**62, "position": 2**32 - 1},
        ),
        ({"kind": "click", "limit": 7, "session_id": "s"}, {"slate_limit": 7, "session_id": "s"}),
    ],
)
def test_what_an_event_carries_is_in_its_row(fields, expected) -> None:
    row = row_of(records.event(NOW_MS, **fields))
    assert {name: getattr(row, name) for name in expected} == expected


def test_refused_records_are_skipped_and_counted_and_their_neighbours_stay() -> None:
    batch = [
        records.event(NOW_MS, event_id="a"),
        FakeRecord(b"not json", timestamp_ms=NOW_MS),
        FakeRecord(None, timestamp_ms=NOW_MS),
        records.event(NOW_MS, event_id="b"),
        FakeRecord(b"{}", topic="experiments"),
        FakeRecord(b"\x07", topic="item-vectors", key=b"a/b/c"),
        FakeRecord(records.vector(NOW_MS).value(), topic="item-vectors", key=b"no slash"),
    ]
    rows = rows_of(batch, "east", 100)
    (block,) = rows.blocks
    assert [row.event_id for row in block.rows] == ["a", "b"]
    assert rows.skipped == {
        ("user-events", "not_json"): 1,
        ("user-events", "null_value"): 1,
        ("experiments", "missing_field"): 1,
        ("item-vectors", "wrong_type"): 2,
    }


@pytest.mark.parametrize(
    "topic", ["item-updates", "item-vectors", "model-releases", "experiments", "region-ownership"]
)
def test_a_null_that_frees_space_is_no_row_and_no_fault(topic) -> None:
    rows = rows_of([FakeRecord(None, topic=topic)], "east", 10)
    assert not rows.blocks
    assert not rows.skipped


def test_blocks_are_bounded_and_keep_the_order() -> None:
    batch = [records.event(NOW_MS, event_id=f"e{place}") for place in range(25)]
    blocks = rows_of(batch, "east", 10).blocks
    assert [len(block.rows) for block in blocks] == [10, 10, 5]
    rows = itertools.chain.from_iterable(block.rows for block in blocks)
    assert [row.event_id for row in rows] == [f"e{place}" for place in range(25)]
    assert [block.rows for block in rows_of(batch, "east", 10).blocks] == [
        block.rows for block in blocks
    ]


def test_large_values_make_smaller_blocks() -> None:
    text = "x" * 250_000
    batch = [records.event(NOW_MS, kind="search", query=text, event_id=str(n)) for n in range(100)]
    blocks = rows_of(batch, "east", 5000).blocks
    assert sum(len(block.rows) for block in blocks) == 100
    assert max(block.value_bytes for block in blocks) < 17 * 1024 * 1024


def test_a_dead_letter_keeps_its_bytes() -> None:
    record = records.letter(NOW_MS)
    row = row_of(record)
    assert isinstance(row, DeadLetterRow)
    assert (row.key, row.value) == (b"\xc3\x28", records.NOT_UTF8)
    assert (row.reason, row.topic, row.partition, row.offset) == (
        b"not_utf8", b"user-events", 5, 99,
    )  # fmt: skip
    assert row.appended_at_ms == NOW_MS - 20
    assert dict(zip(row.headers__name, row.headers__value, strict=True))["trace"] == b"\x80\x81"


def test_dead_letters_that_differ_are_different_rows() -> None:
    whole = records.letter(NOW_MS)
    others = [records.letter(NOW_MS + 1), records.letter(NOW_MS, None), records.letter(NOW_MS, b"")]
    ids = {row_of(record).letter_id for record in (whole, *others)}
    assert len(ids) == 4
    assert row_of(whole) == row_of(records.letter(NOW_MS))


def test_a_dead_letter_with_foreign_headers_is_a_row_too() -> None:
    headers = [(REASON, None), ("dead-letter-offset", b"9" * 5000), ("dead-letter-partition", b"x")]
    row = row_of(FakeRecord(None, key=None, topic="user-events.dead-letter", headers=headers))
    assert isinstance(row, DeadLetterRow)
    assert (row.key, row.value, row.offset, row.partition) == (None, None, 0, 0)


def test_a_slate_has_its_items_in_parallel() -> None:
    row = row_of(records.slate(NOW_MS))
    assert isinstance(row, RecommendationRow)
    assert row.items__item_id == ["item-1", "item-2"]
    assert row.items__because == ["item-0", ""]
    assert (row.fallback, row.model, row.model_version) == ("none", "recommender", "3")
    assert (row.partition, row.answered_before_ms) == (3, NOW_MS - 60)


def test_a_slate_without_headers_or_model_is_a_row_too() -> None:
    record = records.slate(NOW_MS, model=None, fallback="unavailable")
    row = row_of(FakeRecord(record.value(), topic="recommendations"))
    assert isinstance(row, RecommendationRow)
    assert (row.model, row.fallback, row.answered_before_ms) == ("", "unavailable", 0)


def test_items_vectors_and_fences_are_whole() -> None:
    update, vector, owner = (
        row_of(record)
        for record in (records.item(NOW_MS), records.vector(NOW_MS), records.ownership(NOW_MS))
    )
    assert isinstance(update, ItemUpdateRow)
    assert update.categories == ["Grocery", "Drinks"]
    assert isinstance(vector, ItemVectorRow)
    assert (vector.item_id, vector.text_hash) == ("shelf/item-1", 2**63 + 5)
    assert isinstance(owner, RegionOwnershipRow)
    assert owner.fences__epoch == [16, 16]
    assert owner.fences__partition == [0, 3]


@given(st.integers(0, 2**41), st.integers(0, 2**41), st.binary(max_size=20), st.binary(max_size=20))
def test_the_later_copy_has_the_greater_version(one_ms, other_ms, one, other) -> None:
    first, second = version_at(one_ms, one), version_at(other_ms, other)
    if one_ms != other_ms:
        assert (first < second) == (one_ms < other_ms)
    assert 0 <= first < 2**64
    assert version_at(one_ms, one) == first


def test_copies_of_one_time_have_versions_of_their_own() -> None:
    versions = {version_at(NOW_MS, bytes([content])) for content in range(200)}
    assert len(versions) == 200
