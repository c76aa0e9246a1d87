"""The whole slate: what it must never hold, and that the same inputs give the same one."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.state import HISTORY_KINDS, UserState
from streams.catalogue.items import Item
from streams.scoring.candidates import Candidate
from streams.slate.choose import Policy, candidates_wanted, choose
from streams.slate.filters import excluded
from tests.streams.user_states import NOW_MS, state_of

CODES = st.integers(1, 40)
TIMES = st.integers(NOW_MS - 2 * 86_400_000, NOW_MS + 1000)
MARKS = st.dictionaries(CODES, st.tuples(TIMES, st.integers(0, 1)), max_size=8)
STATES = st.builds(
    state_of,
    st.lists(st.tuples(st.sampled_from(HISTORY_KINDS), CODES, TIMES), max_size=10),
    hidden=MARKS,
    bought=MARKS,
    cart=MARKS,
    seen=MARKS,
)
CANDIDATES = st.lists(
    st.builds(
        Candidate,
        CODES,
        st.floats(0, 1, width=32),
        st.sampled_from(["popular", "transitions"]),
        st.none() | CODES,
    ),
    max_size=40,
)


class Shelf:
    """Items 1 to 30 are known; every tenth is withdrawn, every third has no category."""

    def item(self, code: int) -> Item | None:
        if code > 30:
            return None
        categories = [] if code % 3 == 0 else [f"c{code % 4}", "all"]
        return Item(f"item-{code}", None, categories, available=code % 10 != 0)


def slate(
    candidates: list[Candidate],
    state: UserState,
    limit: int = 10,
    policy: Policy | None = None,
    recommendation_id: str = "r",
):
    return choose(
        recommendation_id=recommendation_id,
        candidates=candidates,
        state=state,
        items=Shelf(),
        limit=limit,
        now_ms=NOW_MS,
        policy=policy or Policy(),
    )


@given(CANDIDATES, STATES, st.integers(1, 15), st.floats(0, 1), st.floats(0, 1), st.text())
def test_what_every_slate_keeps_to(candidates, state, limit, rate, share, seed) -> None:
    policy = Policy(explore_rate=rate, category_share=share)
    chosen = slate(candidates, state, limit, policy, seed)
    codes = [int(item.item_id.removeprefix("item-")) for item in chosen]
    assert len(chosen) <= limit
    assert len(set(codes)) == len(codes)
    assert not set(codes) & excluded(state)
    assert set(codes) <= {candidate.item for candidate in candidates}
    assert all(code <= 30 and code % 10 for code in codes)
    assert [item.position for item in chosen] == list(range(len(chosen)))
    assert all(0 < item.propensity <= 1 for item in chosen if rate < 1)
    assert chosen == slate(candidates, state, limit, policy, seed)
    # Nothing that may be shown is kept back while there is room.
    allowed = {c.item for c in candidates if c.item <= 30 and c.item % 10} - excluded(state)
    assert len(chosen) == min(limit, len(allowed))


def test_score_source_and_reason_come_from_the_candidate() -> None:
    candidates = [
        Candidate(1, 0.5, "transitions", 7),
        Candidate(2, 0.25, "popular"),
        Candidate(4, 0.125, "transitions", 99),
    ]
    first, second, third = slate(candidates, state_of([("view", 7, NOW_MS)]))
    assert (first.score, first.source, first.because) == (0.5, "transitions", "item-7")
    assert (second.score, second.source, second.because) == (0.25, "popular", None)
    assert third.because is None  # nobody knows the id of item 99


def test_a_new_event_changes_the_slate() -> None:
    candidates = [Candidate(code, 1 / code, "popular") for code in range(1, 20)]
    before = slate(candidates, state_of(), policy=Policy(explore_rate=0))
    after = slate(candidates, state_of([("click", 1, NOW_MS)]), policy=Policy(explore_rate=0))
    assert before[0].item_id == "item-1"
    assert "item-1" not in {item.item_id for item in after}


def test_enough_candidates_are_asked_for_and_not_too_many() -> None:
    assert candidates_wanted(10) == 40
    assert candidates_wanted(100) == 200
