"""Old backups away, so that the newest so many can still be brought back, chains whole."""

from infra.backup import chain, manifest
from infra.backup.place import Place
from infra.backup.problems import BackupError


def keep(place: Place, region: str, newest: int) -> list[str]:
    """The ids that are gone now, of this region's finished backups. What is damaged stays for a
    person to look at. A manifest goes first: a crash leaves a folder that is no backup any more.
    """
    if newest < 1:
        raise BackupError("at least one backup is kept")
    known = [one for one in chain.finished(chain.found(place)) if one.region == region]
    gone = chain.spare(known, newest)
    for id_ in gone:
        place.remove(f"{id_}/{manifest.NAME}")
        place.remove(id_)
    return gone
