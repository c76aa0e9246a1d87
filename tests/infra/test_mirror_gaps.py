"""What a mirror could not bring, judged from where it was and what the source still has."""

from infra.mirror_gaps import Gap, Ids, Known, judged, sentence

AS_BEFORE = {"user-events": Ids("A", "a"), "recommendations": Ids("B", "b")}
KNOWN = Known(ids=AS_BEFORE)


def gap(partition: int, begin: int, end: int | None, found_ms: int = 9) -> Gap:
    return Gap(partition=partition, begin=begin, end=end, found_ms=found_ms)


def test_a_source_that_still_has_what_is_behind_the_mirror_lost_nothing() -> None:
    found = judged(KNOWN, AS_BEFORE, {0: 10, 1: 0}, {0: 10, 1: 7}, 9)
    assert found == (KNOWN, [])


def test_what_was_removed_before_it_was_mirrored_is_a_gap() -> None:
    known, again = judged(KNOWN, AS_BEFORE, {0: 12, 1: 0}, {0: 10, 1: 7}, 9)
    assert (known.gaps, again) == ([gap(0, 10, 12)], [])


def test_of_a_new_region_it_is_all_that_the_source_has_no_more() -> None:
    known, _ = judged(Known(), AS_BEFORE, {0: 500}, {0: 0}, 9)
    assert known == Known(ids=AS_BEFORE, gaps=[gap(0, 0, 500)])


def test_a_gap_that_grows_stays_one() -> None:
    known, _ = judged(KNOWN, AS_BEFORE, {0: 12}, {0: 10}, 9)
    same, _ = judged(known, AS_BEFORE, {0: 12}, {0: 10}, 10)
    assert same == known
    more, _ = judged(same, AS_BEFORE, {0: 15}, {0: 10}, 11)
    assert more.gaps == [gap(0, 10, 15, 11)]


def test_a_gap_begins_where_the_mirror_is_found_to_stand_before_it() -> None:
    known, _ = judged(KNOWN, AS_BEFORE, {0: 12, 1: 5}, {0: 7, 1: 3}, 9)
    known, _ = judged(known, AS_BEFORE, {0: 12, 1: 5}, {0: 10, 1: 5}, 10)
    assert known.gaps == [gap(1, 3, 5), gap(0, 10, 12, 10)]
    behind, _ = judged(known, AS_BEFORE, {0: 14, 1: 5}, {0: 12, 1: 5}, 11)
    assert behind.gaps == [gap(1, 3, 5), gap(0, 10, 12, 10), gap(0, 12, 14, 11)]


def test_of_a_source_that_was_made_again_nobody_knows_what_it_held() -> None:
    now = AS_BEFORE | {"user-events": Ids("C", "a")}
    known, again = judged(KNOWN, now, {0: 0, 1: 0}, {0: 10, 1: 7}, 9)
    assert again == ["user-events"]
    assert known == Known(ids=now, gaps=[gap(0, 10, None), gap(1, 7, None)])


def test_of_a_copy_that_was_made_again_the_source_has_all() -> None:
    now = AS_BEFORE | {"user-events": Ids("A", "c")}
    known, again = judged(KNOWN, now, {0: 4}, {0: 10}, 9)
    assert (known, again) == (Known(ids=now), ["user-events"])
    # From its start on, as far as the source has that.
    known, again = judged(known, now, {0: 4}, {0: 0}, 9)
    assert (known.gaps, again) == ([gap(0, 0, 4)], [])


def test_a_topic_that_is_away_is_as_it_was() -> None:
    there = {"recommendations": Ids("B", "b")}
    assert judged(KNOWN, there, {}, {0: 10}, 9) == (KNOWN, [])


def test_a_person_is_told_of_some_and_of_how_many() -> None:
    many = [gap(number, 1, 5) for number in range(4)] + [gap(7, 3, None)]
    told = sentence("east", many)
    assert "records 1 to 4 of partition 3" in told
    assert "what was behind 3 in partition 7 of a topic that was deleted and 2 gaps more" in told
