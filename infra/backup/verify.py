"""Whether a backup can be brought back: done for real, into scratch stores.

Every link of its chain is restored partition by partition and its digest and counts compared with
the manifest; releases are opened and compared with their hashes, control records and rows of the
archive decoded. Needs no Kafka and no ClickHouse. Called by `tidemill backup verify`, and by
`schedule` for what it just made.
"""

from collections.abc import Callable

from infra.backup import controls, folders, restore, states
from infra.backup.manifest import Manifest
from infra.backup.place import Place
from infra.backup.sealing import Key
from infra.backup.tables import verify as tables
from infra.backup.tables.restore import Kept


def verify(
    place: Place,
    id_: str | None,
    key: Key | None,
    progress: Callable[[int, int], None] = lambda _, __: None,
) -> list[Manifest]:
    """The chain that was found good, full one first. `progress` is told (users compared, users).
    Raises DamagedError that names file and offset, BackupError.
    """
    kept = restore.opened(place, id_, key)
    done = 0
    for link in kept.links:
        seal = kept.seals[link.id]
        for part in link.states:
            states.verify(place, link, part, seal)
            done += part.users
            progress(done, kept.users)
        controls.verify(place, link, seal)
        folders.check(place, link, kept.seals)
    if (archive := kept.newest.archive) is not None:
        tables.verify(Kept(place, kept.seals), archive)
    return kept.links
