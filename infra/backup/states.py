"""The states of one partition: from a scratch store into a file of a backup, out of it again, and
whether what comes out is what went in.
"""

from collections.abc import Iterator

from infra.backup import blocks, changelog
from infra.backup.blocks import Record
from infra.backup.changelog import Span, decoded
from infra.backup.manifest import Manifest, States
from infra.backup.place import Place
from infra.backup.problems import DamagedError
from infra.backup.sealing import Seal
from schemas.state import USER_KEY_PREFIX
from streams.state.digests import WholeDigest
from streams.state.store import Change, Store

_TOGETHER = 5_000
"""States written to a scratch store at once."""


def save(
    store: Store, place: Place, id_: str, number: int, span: Span, seal: Seal
) -> tuple[States, set[int]]:
    """What the store holds of a partition, and the formats of its states. Raises BackupError."""
    digest, formats, users = WholeDigest(), set(), 0

    def records() -> Iterator[Record]:
        nonlocal users
        for user_id, data in store.states():
            digest.add(user_id, decoded(user_id, data, f"partition {number} of the changelog"))
            formats.add(data[0])
            users += 1
            yield user_id.encode(), data

    file = blocks.write(place, id_, f"states-{number}", blocks.pack(records()), seal)
    part = States(
        partition=number,
        begin=span.begin,
        end=span.end,
        users=users,
        digest=digest.hex(),
        files=[file],
        position=store.position(),
        marker=store.marker(),
    )
    return part, formats


def read(place: Place, id_: str, part: States, seal: Seal) -> Iterator[Record]:
    """(user_id, encoded state), each user once. Raises DamagedError."""
    for file in part.files:
        for block in blocks.read(place, id_, file, seal):
            try:
                yield from blocks.unpack(block)
            except ValueError as error:
                raise DamagedError(f"{place.url}/{id_}/{file.name} is damaged: {error}") from None


def verify(place: Place, manifest: Manifest, part: States, seal: Seal) -> None:
    """Restore it into a scratch store and compare. Raises DamagedError, BackupError."""
    where = f"{place.url}/{manifest.id}, partition {part.partition}"
    with changelog.scratch(f"{manifest.id}-{part.partition}") as store:
        changes = []
        for user, data in read(place, manifest.id, part, seal):
            changes.append(Change(USER_KEY_PREFIX + user, data))
            if len(changes) == _TOGETHER:
                store.write(changes)
                changes = []
        store.write(changes)
        digest, users = WholeDigest(), 0
        for user_id, data in store.states():
            digest.add(user_id, decoded(user_id, data, where))
            users += 1
    if (users, digest.hex()) != (part.users, part.digest):
        raise DamagedError(
            f"{where}: it gives {users} users with digest {digest.hex()}, the manifest says"
            f" {part.users} with {part.digest}"
        )
