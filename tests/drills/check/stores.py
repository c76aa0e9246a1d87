"""The workers' stores on disk, once the workers are stopped."""

from collections.abc import Iterable
from pathlib import Path

import msgspec
from rocksdict import AccessType, Options, Rdict

from schemas.state import USER_KEY_PREFIX, UserState
from tests.drills.check.changelog import Changelog
from tests.drills.check.findings import Findings
from tests.drills.check.partition import Truth
from tests.drills.check.truth import Remembered

_RESTORED_KEY = b"C"


def check_stores(
    number: int,
    folders: Iterable[Path],
    truth: Truth,
    kept: Changelog,
    changelog_id: str,
    findings: Findings,
) -> None:
    """Whoever held the partition last has all of it; nobody has what never was."""
    complete = 0
    for folder in folders:
        try:
            content = _content(folder)
        except Exception:  # noqa: BLE001 - whatever RocksDB says of damage that a drill did
            findings.looked("damaged stores")
            complete += 1
            continue
        restored = content.get(_RESTORED_KEY)
        if restored is None:
            continue
        place = msgspec.json.decode(restored)
        if place["topic_id"] != changelog_id:
            continue
        states = {
            key[len(USER_KEY_PREFIX) :].decode(): value
            for key, value in content.items()
            if key.startswith(USER_KEY_PREFIX)
        }
        findings.looked("stores")
        if place["offset"] >= kept.end:
            complete += 1
            wrong = {u for u in {*states, *kept.states} if states.get(u) != kept.states.get(u)}
            findings.add_all("wrong states in a store", (f"{u} in {folder}" for u in wrong))
        else:
            for user_id, state in states.items():
                if not _is_past(state, truth.states.get(user_id)):
                    findings.add("states from nowhere in a store", f"{user_id} in {folder}")
    if not complete and kept.end:
        findings.add("partitions that no store has to the end", f"partition {number}")


def _is_past(state: bytes, now: Remembered | None) -> bool:
    """Whether a state holds nothing that the user's present one does not know of."""
    if now is None:
        return not state
    both = Remembered()
    both.take(now.state())
    both.take(UserState.decode(state))
    return both.encoded == now.encoded


def _content(folder: Path) -> dict[bytes, bytes]:
    if not (folder / "CURRENT").exists():
        return {}
    database = Rdict(str(folder), Options(raw_mode=True), access_type=AccessType.read_only())
    try:
        return dict(database.items())
    finally:
        database.close()
