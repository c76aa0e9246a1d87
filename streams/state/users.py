"""The states of one partition's users: the hot ones in memory, all of them in the store behind.

Memory is bounded by two generations: who is touched moves into the young one; when that is full,
the old one is let go and the young one grows old. A state that is let go before its turn in the
changelog is spilled to the store; it stays dirty until it was flushed. Called by the stages in the
event loop's thread (and before that, while a partition is opened, in the thread that opens it).
"""

from collections.abc import Callable, Iterator

from schemas.state import EMPTY, FORMAT, USER_KEY_PREFIX, UserState
from streams.state.hot import Hot, HotStates
from streams.state.store import Change, Store

_OVERHEAD_BYTES = 300
"""Of Python's objects and tables for a user, beside the bytes of his state."""
_FIRST_GUESS_BYTES = 400
"""Of a state, until the first were flushed."""
_WEIGHT = 0.05
"""Of each flushed state in the running mean of their sizes."""


class Users:
    """States by user id. Who has none has the empty state and is not counted."""

    def __init__(self, store: Store, layout: int = FORMAT, hot: Hot | None = None) -> None:
        self._store = store
        self._layout = layout
        self.hot_states: Hot = HotStates() if hot is None else hot
        # Looked up once: without compiled code every event comes here.
        self._touch, self._put = self.hot_states.touch, self.hot_states.put
        self._mean_bytes = float(_FIRST_GUESS_BYTES)
        self._dirty: dict[str, None] = {}

    @property
    def dirty(self) -> dict[str, None]:
        """Changed since their last flush, in the order of their first change."""
        if self.hot_states.untold:
            self._dirty.update(dict.fromkeys(self.hot_states.changed()))
        return self._dirty

    @property
    def dirty_count(self) -> int:
        """How many are dirty, or a few more; naming them costs more."""
        return len(self._dirty) + self.hot_states.untold

    @property
    def is_clean(self) -> bool:
        return not self._dirty and not self.hot_states.untold

    def take_dirty(self) -> dict[str, None]:
        """Who is dirty is so no more: a cycle takes them over."""
        taken, self._dirty = self.dirty, {}
        return taken

    def find(self, user_id: str) -> UserState | None:
        """The state, None for a user who is not known here. Raises StoreError, ValueError."""
        state = self._touch(user_id)
        if state is None and (stored := self._store.state(user_id)) is not None:
            state = UserState.decode(stored)
            self._put(user_id, state)
        return state

    def get(self, user_id: str) -> UserState:
        return self.find(user_id) or EMPTY

    def peek(self, user_id: str) -> UserState | None:
        """As `find`, but it is no touch: nobody grows hot. Raises StoreError, ValueError."""
        state = self.hot_states.peek(user_id)
        if state is None and (stored := self._store.state(user_id)) is not None:
            state = UserState.decode(stored)
        return state

    def hot_ids(self) -> list[str]:
        return self.hot_states.ids()

    def stored_ids(self, after: str | None, at_most: int) -> list[str]:
        """Of the store, in its order; hot users may be among them."""
        return self._store.user_ids(after, at_most)

    def put(self, user_id: str, state: UserState) -> None:
        """A state that is not the one `find` gave."""
        self._put(user_id, state)
        self._dirty[user_id] = None

    def must_flush(self, user_id: str) -> None:
        """A user just found is dirty, although he did not change."""
        if self.hot_states.is_young(user_id):
            self._dirty[user_id] = None

    def flushed(self, user_id: str) -> Change:
        """A user's record for the changelog; he is clean once it is committed and stored."""
        self._dirty.pop(user_id, None)
        self.hot_states.unmark(user_id)
        state = self.hot_states.peek(user_id)
        if state is None:  # spilled meanwhile
            value = self._store.state(user_id)
        else:
            value = state.encode(self._layout)
            self._mean_bytes += (len(value) - self._mean_bytes) * _WEIGHT
        return Change(USER_KEY_PREFIX + user_id.encode(), value)

    def bound(self, hot_bytes: int, is_due: Callable[[str], bool]) -> None:
        """Let go of whom was not touched for long, if there are too many. Call between batches:
        what is let go must be committed. `is_due` tells who waits for a cycle under way.
        """
        hot = self.hot_states
        if 2 * hot.young * (self._mean_bytes + _OVERHEAD_BYTES) <= hot_bytes:
            return
        dirty = self.dirty
        spilled = [
            Change(USER_KEY_PREFIX + user_id.encode(), state.encode(self._layout))
            for user_id in hot.old_ids()
            if (user_id in dirty or is_due(user_id)) and (state := hot.peek(user_id)) is not None
        ]
        if spilled:
            self._store.write(spilled)
        hot.age()

    @property
    def hot(self) -> int:
        return len(self.hot_states)

    @property
    def estimated(self) -> int:
        """All users, as the store estimates them; those not flushed yet are hot."""
        return max(self.hot, self._store.estimated_users())

    @property
    def mean_bytes(self) -> float:
        """Of a state, encoded."""
        return self._mean_bytes

    def states(self) -> Iterator[tuple[str, UserState]]:
        """Every user with his state, hot or not; for checks, not for the way of an event."""
        hot = self.hot_states.ids()
        for user_id in hot:
            if (state := self.hot_states.peek(user_id)) is not None:
                yield user_id, state
        those = set(hot)
        for user_id, stored in self._store.states():
            if user_id not in those:
                yield user_id, UserState.decode(stored)
