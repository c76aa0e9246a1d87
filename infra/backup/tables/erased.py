"""Whose rows must not come back: what a user did up to his newest erasure. Pure.

An erasure counts up to its append time, as in the states. It is known from the archive that a
backup is brought back into, from the backup, and from the states of both.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from infra.backup.tables.server import Row

Erasures = Mapping[bytes, int]
"""user_id -> up to when he is erased, in ms."""
_USERS = ("users.user_id", "users.digest", "users.newest_ms")


def newest(erasures: Iterable[tuple[bytes, int]]) -> dict[bytes, int]:
    found: dict[bytes, int] = {}
    for user, at_ms in erasures:
        if at_ms > found.get(user, 0):
            found[user] = at_ms
    return found


def left(table: str, columns: Sequence[str], erased: Erasures) -> Callable[[Row], Row | None]:
    """What a row of this table comes back as; None for one that does not. The erasures themselves
    do come back: who asks the archive next time must know of them.
    """
    at = {name: number for number, name in enumerate(columns)}

    def event(row: Row) -> Row | None:
        is_gone = row[at["happened_at_ms"]] <= erased.get(row[at["user_id"]], -1)
        return None if is_gone and row[at["kind"]] != b"erase" else row

    def slate(row: Row) -> Row | None:
        to_ms = erased.get(row[at["user_id"]], -1)
        earliest_ms = min(row[at["cause_appended_at_ms"]], row[at["issued_at_ms"]])
        return None if earliest_ms <= to_ms else row

    def letter(row: Row) -> Row | None:
        to_ms = erased.get(row[at["key"]] or b"", -1)
        return None if row[at["appended_at_ms"]] <= to_ms else row

    def digests(row: Row) -> Row:
        made_ms = row[at["made_at_ms"]]
        stays = [erased.get(user, -1) < made_ms for user in row[at[_USERS[0]]]]
        if all(stays):
            return row
        changed: list[Any] = list(row)
        for name in _USERS:
            entries = zip(row[at[name]], stays, strict=True)
            changed[at[name]] = [entry for entry, is_left in entries if is_left]
        return changed

    of_table: dict[str, Callable[[Row], Row | None]] = {
        "user_events": event,
        "recommendations": slate,
        "dead_letters": letter,
        "state_digests": digests,
    }
    return of_table.get(table, lambda row: row)
