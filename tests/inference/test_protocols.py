"""Who is asked what, and what the model may have seen by then."""

import pytest

from inference.errors import DataError
from inference.evaluation.protocols import leave_one_out, time_split
from tests.inference.logs import DAY_S, START_S, log_of

LOG = log_of({"ann": "a b c d", "bob": "b a c", "cy": "c d", "di": "d"})


def asked(split):
    """{user: (history, targets)} in words."""
    words = {}
    for rows, wanted in zip(split.histories, split.targets, strict=True):
        user = split.log.users[split.log.user[rows[0]]]
        history = " ".join(split.log.items[item] for item in split.log.item[rows])
        words[user] = (history, " ".join(split.log.items[item] for item in wanted))
    return words


def learnt(split):
    log = split.fit
    return {
        user: " ".join(log.items[item] for item in log.item[log.user == place])
        for place, user in enumerate(log.users)
    }


def test_leave_one_out_for_the_test():
    split = leave_one_out(LOG)
    assert asked(split) == {"ann": ("a b c", "d"), "bob": ("b a", "c")}
    assert learnt(split) == {"ann": "a b", "bob": "b", "cy": "c d", "di": "d"}


def test_leave_one_out_for_validation_learns_the_same():
    split = leave_one_out(LOG, "validation")
    assert asked(split) == {"ann": ("a b", "c"), "bob": ("b", "a")}
    assert learnt(split) == learnt(leave_one_out(LOG))


def test_leave_one_out_may_hide_the_test_alone():
    split = leave_one_out(LOG, learn_validation=True)
    assert asked(split) == asked(leave_one_out(LOG))
    assert learnt(split) == {"ann": "a b c", "bob": "b a", "cy": "c d", "di": "d"}
    validation = leave_one_out(LOG, "validation", learn_validation=True)
    assert learnt(validation) == learnt(leave_one_out(LOG))


def test_what_is_hidden_is_neither_history_nor_target():
    hidden = log_of({"ann": "a b c d x", "bob": "b a"}, kinds={("ann", "x"): "hide"})
    assert asked(leave_one_out(hidden)) == {"ann": ("a b c", "d")}


def test_time_split():
    noon_of_day_2 = (START_S + 2 * DAY_S) * 1000 - 1
    split = time_split(LOG, noon_of_day_2, new_only=True)
    assert asked(split) == {"ann": ("a b", "c"), "bob": ("b a", "c")}
    assert learnt(split) == {"ann": "a b", "bob": "b a", "cy": "c d", "di": "d"}
    both = time_split(LOG, noon_of_day_2, 2, new_only=True)
    assert asked(both) == {"ann": ("a b", "c d"), "bob": ("b a", "c")}


def test_time_split_at_the_moment_itself_is_the_future():
    split = time_split(LOG, (START_S + DAY_S) * 1000, new_only=True)
    assert asked(split)["ann"] == ("a", "b")


def test_time_split_asks_for_new_items_only_where_seen_ones_are_excluded():
    log = log_of({"ann": "a b a c", "bob": "b c b"})
    moment = (START_S + 2 * DAY_S) * 1000
    assert asked(time_split(log, moment, new_only=True)) == {"ann": ("a b", "c")}
    assert asked(time_split(log, moment, new_only=False)) == {
        "ann": ("a b", "a"),
        "bob": ("b c", "b"),
    }


def test_time_split_finds_a_moment_of_its_own():
    split = time_split(LOG, new_only=True)
    assert 0 < len(split.fit) < len(LOG)
    assert split.fit.time_ms.max() < split.until_ms


def test_what_cannot_be_split_is_said():
    with pytest.raises(DataError, match="no user of small has three interactions"):
        leave_one_out(log_of({"ann": "a b", "bob": "b a"}))
    with pytest.raises(DataError, match="did something before and after"):
        time_split(LOG, START_S * 1000, new_only=True)
