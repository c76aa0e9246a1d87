"""States as tensors, and the popular fallback."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.serving import (
    EXCLUDE,
    HISTORY,
    HISTORY_ITEMS,
    HISTORY_KINDS,
    HISTORY_TIMES,
    HISTORY_VALUES,
    MAX_K,
    K,
)
from schemas.state import EMPTY, UserState
from schemas.state import HISTORY_KINDS as KINDS
from streams.catalogue.items import Popular
from streams.scoring.candidates import Candidate, Wanted
from streams.scoring.columns import marks, times_ms
from streams.scoring.encode import encode
from streams.scoring.fallback import popular_candidates
from tests.streams.user_states import state_of

U64 = st.integers(1, 2**64 - 1)
STATES = st.builds(
    state_of,
    st.lists(st.tuples(st.sampled_from(KINDS), U64, st.integers(1, 2**48 - 1)), max_size=70),
)
WANTED = st.builds(Wanted, STATES, st.integers(1, MAX_K), st.lists(U64, max_size=9, unique=True))


@given(st.lists(WANTED, min_size=1, max_size=6))
def test_tensors_hold_what_the_states_hold_newest_first(wanted: list[Wanted]) -> None:
    tensors = encode(wanted)
    for row, user in enumerate(wanted):
        newest = list(user.state.interactions())[::-1][:HISTORY]
        padding = [0] * (HISTORY - len(newest))
        for name, values in (
            (HISTORY_ITEMS, [entry.item for entry in newest]),
            (HISTORY_KINDS, [entry.kind for entry in newest]),
            (HISTORY_VALUES, [entry.value for entry in newest]),
            (HISTORY_TIMES, [entry.time_ms for entry in newest]),
        ):
            assert tensors[name][row].tolist() == values + padding
        assert set(tensors[EXCLUDE][row].tolist()) - {0} == set(user.exclude)
        assert tensors[K][row].tolist() == [user.k]


@given(st.dictionaries(U64, st.tuples(st.integers(0, 2**48 - 1), st.integers(0, 1)), max_size=9))
def test_columns_hold_what_the_marks_hold(seen: dict[int, tuple[int, int]]) -> None:
    state = state_of(seen=seen)
    columns = marks(state, "seen")
    rows = zip(
        times_ms(columns).tolist(), columns["key"].tolist(), columns["flag"].tolist(), strict=True
    )
    assert list(rows) == list(state.marks("seen"))
    assert len(marks(state, "hidden")) == 0


def test_shapes_and_types_are_the_contracts() -> None:
    tensors = encode([Wanted(EMPTY, 5), Wanted(EMPTY, 7, {1, 2, 3})])
    assert {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()} == {
        HISTORY_ITEMS: ((2, HISTORY), np.uint64),
        HISTORY_KINDS: ((2, HISTORY), np.uint8),
        HISTORY_VALUES: ((2, HISTORY), np.uint16),
        HISTORY_TIMES: ((2, HISTORY), np.int64),
        EXCLUDE: ((2, 3), np.uint64),
        K: ((2, 1), np.int32),
    }
    assert encode([Wanted(EMPTY, 5)])[EXCLUDE].shape == (1, 1)


@pytest.mark.parametrize("k", [0, -1, MAX_K + 1])
def test_a_k_that_the_model_does_not_give_is_refused(k: int) -> None:
    with pytest.raises(ValueError, match="k is"):
        Wanted(UserState(), k)


def test_the_fallback_is_what_is_popular_and_allowed() -> None:
    popular = [Popular(item, 10 - item) for item in range(1, 6)]
    assert popular_candidates(popular, {1, 3}, 2) == [
        Candidate(2, 8.0, "popular"),
        Candidate(4, 6.0, "popular"),
    ]
    assert popular_candidates(popular, set(range(9)), 2) == []
