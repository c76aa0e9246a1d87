"""Which backups lie at a URL, which can be believed, and which belong together.

A full backup and the incremental ones that go on from it are a chain; an incremental one holds
what changed since its parent, so bringing it back means joining the chain up to it. An id is the
moment a backup began, so ids in order are times in order. Pure but for reading the manifests.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from infra.backup import manifest as manifests
from infra.backup.manifest import Manifest, Parent
from infra.backup.place import Place
from infra.backup.problems import BackupError, DamagedError, KeyFileError
from infra.backup.sealing import UNSEALED, Key, Seal

_ID = "%Y%m%dT%H%M%S"


class Found(NamedTuple):
    """A folder at the URL. Without a manifest it is no backup, and `problem` says why."""

    id: str
    manifest: Manifest | None
    sha256: str = ""
    """Of the manifest's body: by this a child names its parent."""
    problem: str | None = None
    is_unfinished: bool = False

    @property
    def begun_ms(self) -> int:
        moment, _, rest = self.id.partition(".")
        at = datetime.strptime(moment, _ID).replace(tzinfo=UTC)
        return int(at.timestamp()) * 1000 + int(rest[:3])


def id_of(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms // 1000, UTC).strftime(_ID)}.{at_ms % 1000:03}Z"


def is_id(name: str) -> bool:
    moment, point, rest = name.partition(".")
    try:
        datetime.strptime(moment, _ID).replace(tzinfo=UTC)
    except ValueError:
        return False
    return point == "." and len(rest) == 4 and rest[:3].isdecimal() and rest[3] == "Z"


def found(place: Place) -> list[Found]:
    """Everything at the URL that may be a backup, oldest first."""
    return [_look(place, name) for name in place.folders() if is_id(name)]


def finished(known: Iterable[Found]) -> list[Manifest]:
    return [one.manifest for one in known if one.manifest is not None]


def chain_to(known: Sequence[Found], id_: str | None, region: str | None = None) -> list[Manifest]:
    """The chain up to a backup, full one first; where no id is given, up to the newest one (of a
    region, if one is named: several may keep theirs in one place). Raises BackupError where it is
    not there or a link is missing, damaged or another one.
    """
    by_id = {one.id: one for one in known}
    if id_ is None:
        usable = [one for one in finished(known) if region in (None, one.region)]
        if not usable:
            of = f" of {region}" if region else ""
            raise BackupError(
                f"there is no finished backup{of}; `tidemill backup list` shows what there is and"
                " `tidemill backup create` makes one"
            )
        id_ = usable[-1].id
    chain: list[Manifest] = []
    wanted = Parent(id=id_, sha256=by_id[id_].sha256 if id_ in by_id else "")
    while True:
        link = by_id.get(wanted.id)
        manifest = _usable(link, wanted.id)
        assert link is not None
        if link.sha256 != wanted.sha256:
            raise DamagedError(f"backup {wanted.id} is not the one that {chain[0].id} goes on from")
        chain.insert(0, manifest)
        if manifest.parent is None:
            return chain
        if len(chain) > len(known):
            raise DamagedError(f"backup {id_} goes on from itself")
        wanted = manifest.parent


def named(known: Sequence[Found], id_: str) -> Parent:
    """A backup as its child names it."""
    (sha256,) = (one.sha256 for one in known if one.id == id_)
    return Parent(id=id_, sha256=sha256)


def seal_of(place: Place, manifest: Manifest, key: Key | None) -> Seal:
    """What opens a backup; checks that the manifest was signed with the same key. Raises
    KeyFileError, DamagedError.
    """
    if manifest.encryption is None:
        return UNSEALED
    if manifest.encryption.cipher != manifests.CIPHER:
        raise BackupError(
            f"backup {manifest.id} is encrypted with {manifest.encryption.cipher}, which this"
            " release does not know: take one that does"
        )
    if key is None:
        raise KeyFileError(
            f"backup {manifest.id} is encrypted (key {manifest.encryption.key}); set"
            " TIDEMILL_BACKUP_KEY_FILE"
        )
    if key.id != manifest.encryption.key:
        raise KeyFileError(
            f"backup {manifest.id} is encrypted with key {manifest.encryption.key}, the key given"
            f" is {key.id}"
        )
    seal = key.seal(manifest.id)
    name = f"{manifest.id}/{manifests.NAME}"
    manifests.require_signature(place.read(name), seal, f"{place.url}/{name}")
    return seal


def spare(known: Sequence[Manifest], keep: int) -> list[str]:
    """Which backups may go so that the newest `keep` can still be brought back, newest first:
    a child goes before its parent.
    """
    parents: Mapping[str, str | None] = {
        one.id: one.parent.id if one.parent else None for one in known
    }
    ids = sorted(parents)
    needed: set[str] = set()
    for wanted in ids[-keep:]:
        link: str | None = wanted
        while link is not None and link not in needed:
            needed.add(link)
            link = parents.get(link)
    return [id_ for id_ in reversed(ids) if id_ not in needed]


def _look(place: Place, name: str) -> Found:
    where = f"{name}/{manifests.NAME}"
    try:
        content = place.read(where)
    except FileNotFoundError:
        return Found(name, None, problem="it was never finished", is_unfinished=True)
    try:
        manifest = manifests.decode(content, f"{place.url}/{where}")
    except BackupError as error:
        return Found(name, None, problem=str(error))
    if manifest.id != name:
        return Found(name, None, problem=f"it lies in {name} and is backup {manifest.id}")
    return Found(name, manifest, manifests.sha256_of(content.split(b"\n")[0]))


def _usable(link: Found | None, id_: str) -> Manifest:
    if link is None:
        raise BackupError(f"backup {id_} is not here; `tidemill backup list` shows what is")
    if link.manifest is None:
        raise DamagedError(f"backup {id_} cannot be used: {link.problem}")
    return link.manifest
