"""The law of user states, on the real fold and join, to the bytes.

Any order, repetition, interleaving and batching of the same records, with copies of one event
that differ, and any joining of partial states, gives the same bytes. The oracle below says which
bytes, from the set of records alone. The last test breaks the fold on purpose and shows that the
same property notices.
"""

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import streams.state.fold as fold_module
from schemas.events import AnyEvent, Erase, Follow, Purchase, Rating, Unfollow
from schemas.identifiers import event_hash, item_hash, user_hash
from schemas.state import (
    EMPTY,
    HISTORY_LIMIT,
    ID,
    INTERACTION_BYTES,
    KIND_CODES,
    MAP_LIMITS,
    MAPS,
    MARK_BYTES,
    Interaction,
    Mark,
    UserState,
)
from streams.state.entries import insert
from streams.state.fold import FAST_CLOCK_MS, fold
from streams.state.join import join
from tests.streams.state_records import Fold, Rec, folded, records

LAW = settings(
    max_examples=60,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
SEEDS = st.integers(0, 2**32)


def shuffled(log: list[Rec], seed: int) -> list[Rec]:
    """The same records in another order, some of them repeated."""
    random = Random(seed)
    log = log + random.choices(log, k=len(log) // 3) if log else log
    return random.sample(log, len(log))


# --- the oracle: DESIGN's rules over the set of all records, without any step-by-step state ---

_FLAGS = {
    "impression": [("seen", 1)],
    "cart": [("cart", 1)],
    "uncart": [("cart", 0)],
    "purchase": [("bought", 1), ("cart", 0)],
    "hide": [("hidden", 1)],
    "unhide": [("hidden", 0)],
    "follow": [("followed", 1)],
    "unfollow": [("followed", 0)],
}


def _value(event: AnyEvent) -> int:
    if isinstance(event, Rating):
        return round(min(1, event.value / event.scale) * 65535)
    return min(event.quantity, 65535) if isinstance(event, Purchase) else 0


def oracle(log: list[Rec]) -> bytes:
    erased = max((r.appended_at_ms for r in log if isinstance(r.event, Erase)), default=0)
    counted = [r for r in log if r.event.kind not in {"search", "chat", "request"}]
    newest = max((r.appended_at_ms for r in counted), default=0)
    copies: dict[int, list[Interaction]] = {}
    marks: dict[str, dict[int, list[Mark]]] = {name: {} for name in MAPS}
    for record in counted:
        event = record.event
        time_ms = min(event.at_ms, record.appended_at_ms + FAST_CLOCK_MS)
        if isinstance(event, Erase) or time_ms <= erased:
            continue
        if isinstance(event, Follow | Unfollow):
            key = user_hash(event.followed_user_id)
        else:
            key = item_hash(event.item_id)
        if event.kind in KIND_CODES:
            one = event_hash(event.event_id)
            copy = Interaction(time_ms, one, KIND_CODES[event.kind], _value(event), key)
            copies.setdefault(one, []).append(copy)
        for name, flag in _FLAGS.get(event.kind, []):
            marks[name].setdefault(key, []).append(Mark(time_ms, key, flag))
    history = sorted(map(max, copies.values()))[-HISTORY_LIMIT:]
    maps = [
        b"".join(mark.pack() for mark in sorted(map(max, marks[name].values()))[-limit:])
        for name, limit in zip(MAPS, MAP_LIMITS, strict=True)
    ]
    packed = b"".join(interaction.pack() for interaction in history)
    return UserState(erased, newest, packed, tuple(maps)).encode()


# --- the law ---


def check_order(log: list[Rec], seed: int, by: Fold) -> None:
    assert folded(log, by=by).encode() == folded(shuffled(log, seed), by=by).encode()


@LAW
@given(records(), SEEDS)
def test_any_order_and_repetition_gives_the_same_bytes(log: list[Rec], seed: int) -> None:
    check_order(log, seed, fold)


@LAW
@given(records(), SEEDS)
def test_the_bytes_are_those_of_the_rules(log: list[Rec], seed: int) -> None:
    assert folded(shuffled(log, seed)).encode() == oracle(log)


@LAW
@given(records(), SEEDS)
def test_folding_an_event_is_joining_its_own_state(log: list[Rec], seed: int) -> None:
    random = Random(seed)
    for _ in range(4):
        state = folded(random.sample(log, random.randint(0, len(log))))
        for record in random.sample(log, min(len(log), 15)):
            event, appended_at_ms = record.event, record.appended_at_ms
            alone = fold(EMPTY, event, appended_at_ms)
            assert fold(state, event, appended_at_ms).encode() == join(state, alone).encode()


@LAW
@given(records(), SEEDS)
def test_parts_joined_in_any_way_are_the_whole(log: list[Rec], seed: int) -> None:
    random = Random(seed)
    parts = [random.sample(log, random.randint(0, len(log))) for _ in range(3)]
    taken = {id(record) for part in parts for record in part}
    parts.append([record for record in log if id(record) not in taken])
    states = [folded(part) for part in parts]
    while len(states) > 1:  # a random tree, some branches twice
        one = states.pop(random.randrange(len(states)))
        other = random.randrange(len(states))
        states[other] = join(one, states[other])
        if random.random() < 0.2:
            states.append(one)
    assert states[0].encode() == folded(log).encode()


@LAW
@given(records(300), records(300), records(300), SEEDS)
def test_join_is_associative_commutative_and_idempotent(
    one: list[Rec], two: list[Rec], three: list[Rec], seed: int
) -> None:
    a, b, c = folded(one), folded(shuffled(one[::2] + two, seed)), folded(three)
    assert join(a, b).encode() == join(b, a).encode()
    assert join(join(a, b), c).encode() == join(a, join(b, c)).encode()
    assert join(a, a) == a
    assert join(join(a, b), b) == join(a, b)
    assert join(a, EMPTY) == a


@LAW
@given(records(), SEEDS)
def test_a_join_may_come_between_any_two_records(log: list[Rec], seed: int) -> None:
    random = Random(seed)
    backup = folded(random.sample(log, random.randint(0, len(log))))
    cut = random.randint(0, len(log))
    state = folded(log[cut:], join(folded(log[:cut]), backup))
    assert state.encode() == folded(log).encode()


@LAW
@given(records())
def test_the_result_is_in_the_normal_form(log: list[Rec]) -> None:
    state = folded(log)
    assert UserState.decode(state.encode()) == state
    parts = [(state.history, INTERACTION_BYTES, HISTORY_LIMIT)]
    parts += [(held, MARK_BYTES, limit) for held, limit in zip(state.maps, MAP_LIMITS, strict=True)]
    for held, width, limit in parts:
        entries = [held[at : at + width] for at in range(0, len(held), width)]
        assert entries == sorted(entries)
        assert len({entry[ID] for entry in entries}) == len(entries) <= limit
        assert all(entry[:6] > state.erased_to_ms.to_bytes(6, "big") for entry in entries)


def test_the_strategy_reaches_every_limit() -> None:
    """What the properties above are worth: histories and maps are full, and erasures bite."""
    met: set[str] = set()

    @settings(LAW, max_examples=250, derandomize=True, phases=[Phase.generate])
    @given(records())
    def meet(log: list[Rec]) -> None:
        state = folded(log)
        if len(state.history) == HISTORY_LIMIT * INTERACTION_BYTES:
            met.add("history")
        met.update(
            name
            for name, held, limit in zip(MAPS, state.maps, MAP_LIMITS, strict=True)
            if len(held) == limit * MARK_BYTES
        )
        if state.erased_to_ms and state.history:
            met.add("erasure that leaves some")
        if len(log) > 20 and len({r.event.event_id for r in log}) < len(log) // 2:
            met.add("copies")

    meet()
    assert met == {"history", *MAPS, "erasure that leaves some", "copies"}


# --- the negative control ---


def _append_without_looking_for_copies(entries: bytes, entry: bytes, limit: int) -> bytes:
    if entries[-len(entry) :] < entry:
        return (entries + entry)[-limit * len(entry) :]
    return insert(entries, entry, limit)


def _last_copy_wins(entries: bytes, entry: bytes, limit: int) -> bytes:
    width = len(entry)
    held = [entries[at : at + width] for at in range(0, len(entries), width)]
    held = [old for old in held if old[ID] != entry[ID]]
    return b"".join(sorted([*held, entry])[-limit:])


def _trims_by_arrival(entries: bytes, entry: bytes, limit: int) -> bytes:
    width = len(entry)
    held = [entries[at : at + width] for at in range(0, len(entries), width)]
    copies = [old for old in held if old[ID] == entry[ID]]
    held = [old for old in held if old[ID] != entry[ID]]
    return b"".join([*held, max([entry, *copies])][-limit:])


def _forgets_the_erasure(state: UserState, event: AnyEvent, appended_at_ms: int) -> UserState:
    """Erases what is there, but lets in what comes late."""
    after = fold(state, event, appended_at_ms)
    return UserState(0, after.newest_appended_ms, after.history, after.maps)


def _believes_any_clock(state: UserState, event: AnyEvent, appended_at_ms: int) -> UserState:
    """Takes the append time of whichever copy came first."""
    return fold(state, event, max(appended_at_ms, state.newest_appended_ms))


NO_REPR = pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")
"""The logs that these fail on are expected, and too long to print."""


@NO_REPR
@pytest.mark.parametrize(
    "broken", [_append_without_looking_for_copies, _last_copy_wins, _trims_by_arrival]
)
def test_a_broken_rule_for_entries_is_noticed(
    broken: Callable[[bytes, bytes, int], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fold_module, "insert", broken)
    _assert_noticed(fold)


@NO_REPR
@pytest.mark.parametrize("broken", [_forgets_the_erasure, _believes_any_clock])
def test_a_broken_fold_is_noticed(broken: Fold) -> None:
    _assert_noticed(broken)


def _assert_noticed(by: Fold) -> None:
    @settings(LAW, derandomize=True, phases=[Phase.generate], print_blob=False)
    @given(records(), SEEDS)
    def law(log: list[Rec], seed: int) -> None:
        check_order(log, seed, by)

    with pytest.raises(AssertionError):
        law()
