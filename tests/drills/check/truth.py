"""What a user's state must be, from the rules in words and nothing of the engine's own fold.

A state here is plain tuples in dictionaries: the interactions by event, the marks by key, the
largest of each. It is slow and short; `test_truth.py` holds it against the real fold.
"""

from collections.abc import Iterable

import xxhash

from schemas.events import AnyEvent
from schemas.identifiers import event_hash, item_hash, user_hash
from schemas.state import HISTORY_LIMIT, MAP_LIMITS, MAPS, Interaction, Mark, UserState

_FAST_CLOCK_MS = 5 * 60_000
_HISTORY = ("view", "click", "cart", "uncart", "hide", "unhide", "purchase", "rating")
_MARKS = {
    "impression": (("seen", 1),),
    "cart": (("cart", 1),),
    "uncart": (("cart", 0),),
    "purchase": (("bought", 1), ("cart", 0)),
    "hide": (("hidden", 1),),
    "unhide": (("hidden", 0),),
    "follow": (("followed", 1),),
    "unfollow": (("followed", 0),),
}


class Remembered:
    """All that is to be remembered of one user, whatever order it came in."""

    def __init__(self) -> None:
        self.erased_to_ms = 0
        self.newest_ms = 0
        self.history: dict[int, Interaction] = {}
        self.marks: dict[str, dict[int, Mark]] = {name: {} for name in MAPS}
        self._encoded: bytes | None = b""

    def add(self, event: AnyEvent, appended_at_ms: int) -> None:
        kind = event.kind
        if kind == "erase":
            self.erased_to_ms = max(self.erased_to_ms, appended_at_ms)
        elif kind not in _HISTORY and kind not in _MARKS:
            return  # it only asks
        else:
            self._remember(event, min(event.at_ms, appended_at_ms + _FAST_CLOCK_MS))
        self.newest_ms = max(self.newest_ms, appended_at_ms)
        self._encoded = None

    def _remember(self, event: AnyEvent, time_ms: int) -> None:
        kind = event.kind
        follows = kind in ("follow", "unfollow")
        key = user_hash(event.followed_user_id) if follows else item_hash(event.item_id)
        if kind in _HISTORY:
            code = _HISTORY.index(kind) + 1
            event_id = event_hash(event.event_id)
            self._interact(Interaction(time_ms, event_id, code, _value(event), key))
        for name, flag in _MARKS.get(kind, ()):
            self._mark(name, Mark(time_ms, key, flag))

    def take(self, state: UserState) -> None:
        """All that another state knows of this user."""
        self.erased_to_ms = max(self.erased_to_ms, state.erased_to_ms)
        self.newest_ms = max(self.newest_ms, state.newest_appended_ms)
        for interaction in state.interactions():
            self._interact(interaction)
        for name in MAPS:
            for mark in state.marks(name):
                self._mark(name, mark)
        self._encoded = None

    def state(self) -> UserState:
        history = _newest(self.history.values(), self.erased_to_ms, HISTORY_LIMIT)
        bought, seen, hidden, cart, followed = (
            _newest(self.marks[name].values(), self.erased_to_ms, limit)
            for name, limit in zip(MAPS, MAP_LIMITS, strict=True)
        )
        maps = (bought, seen, hidden, cart, followed)
        return UserState(self.erased_to_ms, self.newest_ms, history, maps)

    @property
    def encoded(self) -> bytes:
        """In the layout of the contract; empty for who has no state."""
        if self._encoded is None:
            self._encoded = self.state().encode()
        return self._encoded

    def _interact(self, interaction: Interaction) -> None:
        known = self.history.get(interaction.event)
        if known is None or interaction > known:
            self.history[interaction.event] = interaction
        if len(self.history) > 4 * HISTORY_LIMIT:  # or a long drill would sort for ever
            kept = sorted(self.history.values())[-HISTORY_LIMIT:]
            self.history = {interaction.event: interaction for interaction in kept}

    def _mark(self, name: str, mark: Mark) -> None:
        known = self.marks[name].get(mark.key)
        if known is None or mark > known:
            self.marks[name][mark.key] = mark


def state_digest(state: UserState) -> str:
    """As `made_from.state` tells it."""
    return xxhash.xxh3_64_hexdigest(state.encode())


def _newest(
    entries: Iterable[Interaction] | Iterable[Mark], erased_to_ms: int, limit: int
) -> bytes:
    kept = sorted(entry for entry in entries if entry.time_ms > erased_to_ms)[-limit:]
    return b"".join(entry.pack() for entry in kept)


def _value(event: AnyEvent) -> int:
    if event.kind == "rating":
        return round(min(1.0, event.value / event.scale) * 65_535)
    if event.kind == "purchase":
        return min(event.quantity, 65_535)
    return 0


class Placement:
    """Where Kafka's own clients put a user: MurmurHash2 of the key, as its documents give it."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._known: dict[str, int] = {}

    def of(self, user_id: str) -> int:
        known = self._known.get(user_id)
        if known is None:
            known = (_murmur2(user_id.encode()) & 0x7FFFFFFF) % self._partitions
            self._known[user_id] = known
        return known


_M = 0x5BD1E995
_WORD = 0xFFFFFFFF


def _murmur2(data: bytes) -> int:
    h = 0x9747B28C ^ len(data)
    whole = len(data) - len(data) % 4
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * _M & _WORD
        k = (k ^ (k >> 24)) * _M & _WORD
        h = h * _M & _WORD ^ k
    if rest := data[whole:]:
        h = (h ^ int.from_bytes(rest, "little")) * _M & _WORD
    h = (h ^ (h >> 13)) * _M & _WORD
    return h ^ (h >> 15)
