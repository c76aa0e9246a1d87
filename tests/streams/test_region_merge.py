"""What a reader hands out of what own and mirrored topics bring, in whatever order."""

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.identifiers import recommendation_id
from streams.region.merge import Merge, Slate
from tests.streams.answers import Answer, ended, owned
from tests.streams.control_copies import copy_of


def reader(*news, **bounds: int) -> Merge:
    merge = Merge(**bounds)
    assert not merge.news(news or [owned(16)])
    return merge


def taken(merge: Merge, *answers: Answer) -> list[str]:
    """Events whose slates come out, in order."""
    slates = [
        merge.take(one.partition, one.user.encode(), one.headers.encode(), one) for one in answers
    ]
    return events(slate for slate in slates if slate)


def events(slates: Iterable[Slate]) -> list[str]:
    return [slate.headers.cause.event_id for slate in slates]


def test_a_valid_slate_is_handed_out_with_what_is_known_of_it() -> None:
    answer = Answer(5, partition=3)
    slate = reader().take(3, b"kim", answer.headers.encode(), "the record")
    assert slate == Slate(
        3, "kim", recommendation_id("kim", "e5", "main"), answer.headers, "the record"
    )


@pytest.mark.parametrize(
    ("answers", "handed"),
    [
        ([Answer(5), Answer(5)], ["e5"]),
        ([Answer(5), Answer(6), Answer(5)], ["e5", "e6"]),
        ([Answer(6), Answer(5)], ["e6"]),
        ([Answer(5, "b"), Answer(5, "a"), Answer(5, "c")], ["b", "c"]),
        ([Answer(6), Answer(5, surface="x"), Answer(4, user="ann")], ["e6", "e5", "e4"]),
        ([Answer(5, "a"), Answer(9, "a")], ["a"]),
        ([Answer(5, "a"), Answer(9, "a", user="ann")], ["a", "a"]),
        ([Answer(5, epoch=15), Answer(4)], ["e4"]),
    ],
    ids=[
        "repeat", "repeat-after-newer", "older-after-newer", "equal-times", "places-apart",
        "event-sent-again", "users-apart", "epoch-never-listed",
    ],
)  # fmt: skip
def test_each_slate_once_and_never_an_older_one(
    answers: Sequence[Answer], handed: Sequence[str]
) -> None:
    assert taken(reader(), *answers) == handed


def test_answers_of_an_epoch_that_ended_count_up_to_its_fence() -> None:
    merge = reader(owned(33, "west", ended(16, 100)))
    assert taken(merge, Answer(100), Answer(101), Answer(102, epoch=33)) == ["e100", "e102"]


def test_the_same_slate_of_two_epochs_comes_out_once() -> None:
    merge = reader(owned(33, "west", ended(16, 100)))
    assert taken(merge, Answer(90, epoch=33), Answer(90)) == ["e90"]


def test_an_epoch_that_nobody_told_of_waits_for_the_record() -> None:
    merge = reader()
    assert not taken(merge, Answer(200, epoch=33), Answer(150, epoch=33))
    assert len(merge.waiting) == 2
    assert taken(merge, Answer(100)) == ["e100"]
    assert events(merge.news([owned(33, "west", ended(16, 100))])) == ["e150", "e200"]
    assert not merge.waiting


def test_what_waited_is_not_handed_out_after_a_newer_slate() -> None:
    merge = reader()
    assert not taken(merge, Answer(100, epoch=33))
    assert taken(merge, Answer(120)) == ["e120"]
    assert not merge.news([owned(33, "west", ended(16, 120))])


def test_without_any_record_all_waits() -> None:
    merge = Merge()
    assert not taken(merge, Answer(1), Answer(2, origin="west", epoch=17))
    assert events(merge.news([owned(16)])) == ["e1"]
    assert events(merge.news([owned(17, "west", origin="west")])) == ["e2"]


def test_news_of_one_origin_leave_what_waits_for_another() -> None:
    merge = reader()
    assert not taken(merge, Answer(1, epoch=33))
    assert not merge.news([owned(17, "west", origin="west")])
    assert len(merge.waiting) == 1


def test_a_zombies_output_after_the_fence_comes_to_nothing() -> None:
    merge = reader(owned(33, "west", ended(16, 100)))
    assert not taken(merge, Answer(101), Answer(102))
    assert not merge.news([owned(48, "east", ended(16, 100), ended(33, 150, "west"))])


def test_an_answer_that_two_promotions_unknown_to_each_other_made_valid_again_is_not_lost() -> None:
    """West's record ends the first epoch at 50; east's own, newer one knows of 70."""
    merge = reader(owned(33, "west", ended(16, 50)))
    assert not taken(merge, Answer(60))
    assert events(merge.news([owned(48, "east", ended(16, 70), ended(32, None))])) == ["e60"]


def test_a_reader_that_hears_nothing_goes_on_with_what_it_knows() -> None:
    merge = reader()
    assert taken(merge, *(Answer(ms) for ms in range(1, 5))) == ["e1", "e2", "e3", "e4"]
    assert not merge.news([owned(16)]), "what was known already"
    assert taken(merge, Answer(9)) == ["e9"]


def test_a_record_of_ownership_that_cannot_be_read_changes_nothing() -> None:
    merge = reader()
    assert not merge.news([copy_of(b"{", key="east"), copy_of(None, key="east")])
    assert taken(merge, Answer(1)) == ["e1"]


@pytest.mark.parametrize(
    ("key", "headers"),
    [
        (b"kim", []),
        (b"kim", [("origin", b"east")]),
        (b"\xff", Answer(1).headers.encode()),
        (b"kim", [*Answer(1).headers.encode()[:-1], ("answered_before", b"soon")]),
    ],
)
def test_what_is_no_recommendation_is_passed_over(
    key: bytes, headers: list[tuple[str, bytes]]
) -> None:
    merge = reader()
    assert merge.take(0, key, headers) is None
    assert not merge.waiting


def test_what_waits_is_bounded_by_taking_no_more() -> None:
    merge = reader(aside=2)
    taken(merge, Answer(1, epoch=33))
    assert not merge.is_full
    taken(merge, Answer(2, epoch=33))
    assert merge.is_full
    merge.news([owned(33, "west", ended(16, None))])
    assert not merge.is_full


def test_what_was_refused_is_kept_only_so_far() -> None:
    merge = reader(owned(33, "west", ended(16, 50)), aside=2)
    assert not taken(merge, Answer(60), Answer(61), Answer(62))
    assert events(merge.news([owned(48, "east", ended(16, 70))])) == ["e61", "e62"]


def test_memory_is_bounded_and_keeps_the_latest_half() -> None:
    merge = reader(places=8)
    users = [f"u{n}" for n in range(100)]
    assert len(taken(merge, *(Answer(5, user=user) for user in users))) == 100
    assert not taken(merge, *(Answer(5, user=user) for user in users[-4:]))
    assert len(merge._newest._young) + len(merge._newest._old) <= 8


ANSWERS = st.builds(
    Answer,
    cause_ms=st.integers(1, 12),
    event_id=st.sampled_from(["", "a", "b"]),
    epoch=st.sampled_from([16, 32, 33, 48]),
    user=st.sampled_from(["kim", "ann"]),
    surface=st.just("main"),
    origin=st.just("east"),
    partition=st.just(0),
)
NEWS = st.sampled_from(
    [
        owned(16),
        owned(33, "west", ended(16, 6)),
        owned(48, "east", ended(16, 6), ended(33, 9, "west")),
        owned(48, "east", ended(16, 8), ended(32, 9)),
    ]
)


@settings(max_examples=300, deadline=None, database=None)
@given(st.lists(st.one_of(ANSWERS, NEWS), max_size=40))
def test_in_any_order_nothing_repeats_and_the_newest_valid_slate_comes_out(
    steps: list[object],
) -> None:
    merge = Merge()
    slates: list[Slate] = []
    for step in steps:
        if isinstance(step, Answer):
            slate = merge.take(0, step.user.encode(), step.headers.encode())
            slates += [slate] if slate else []
        else:
            slates += merge.news([step])
    ids = [slate.recommendation_id for slate in slates]
    assert len(set(ids)) == len(ids)
    newest: dict[str, tuple[int, str]] = {}
    for slate in slates:
        order = slate.headers.cause.appended_at_ms, slate.headers.cause.event_id
        assert order > newest.get(slate.user_id, (-1, "")), "older after newer"
        newest[slate.user_id] = order
    current = merge.ownerships.current("east")
    for step in steps:
        if isinstance(step, Answer) and current and step.epoch == current.epoch:
            again = recommendation_id(step.user, step.event, "main") in ids
            assert again or newest[step.user] >= (step.cause_ms, step.event)
