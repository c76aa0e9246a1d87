"""What a backup says of itself: the file `manifest`, which is written last.

Three lines: JSON, the sha256 of the first line and, where the backup is encrypted, its HMAC. So a
manifest proves itself, and through the hashes in it every other file; a backup without one was
never finished. Only this module knows the layout.
"""

import hashlib
import hmac
from typing import Literal

import msgspec

from infra.backup.blocks import StoredFile
from infra.backup.problems import BackupError, DamagedError
from infra.backup.sealing import Seal
from schemas.state import BOUNDS_VERSION, FORMATS, Marker, Position
from streams.lane.checkpoint import READ_MARKERS

NAME = "manifest"
FORMAT = 1
"""Of the manifest and of every file beside it; raised when an older release must not guess."""
CIPHER = "AES-256-GCM"


class Parent(msgspec.Struct, frozen=True, kw_only=True):
    """The backup that this one goes on from: exactly that one, by its manifest's sha256."""

    id: str
    sha256: str


class Encryption(msgspec.Struct, frozen=True, kw_only=True):
    cipher: str = CIPHER
    key: str
    """The key's id."""


class States(msgspec.Struct, frozen=True, kw_only=True):
    """The users of one partition of the changelog: the newest state of each that has a record in
    [begin, end). `digest` is `streams.state.digests.whole_digest`.
    """

    partition: int
    begin: int
    end: int
    users: int
    digest: str
    files: list[StoredFile]
    position: Position | None = None
    """The newest in [begin, end): the input up to which the partition was folded and answered."""
    marker: Marker | None = None
    """The newest there: the input up to which everything is in the states."""


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """The records that held of one control topic, own and mirrored copies taken together."""

    topic: str
    records: int
    file: StoredFile


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """A release's folder. Those that an earlier backup of the chain has lie there."""

    model: str
    version: str
    hash: str
    """sha256 of the release's own manifest, as in `model-releases`."""
    kept_in: str
    """The id of the backup that holds the files."""
    files: dict[str, StoredFile]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One partition of one of the archive's tables. One that an earlier backup of the chain has
    lies there.
    """

    table: str
    partition: str
    rows: int
    """As a reader with FINAL sees them."""
    fingerprint: str
    """Of their ids and versions: `infra.backup.tables.parts`."""
    way: Literal["rows", "freeze", "backup"]
    """What the file holds: rows of these columns, or the files of the server's own snapshot."""
    columns: list[str]
    records: int
    """In the file: rows, or pieces of files."""
    kept_in: str
    file: StoredFile


class Archive(msgspec.Struct, frozen=True, kw_only=True):
    """ClickHouse's tables. `erasures`: who was erased up to when, as they knew it."""

    server: str
    """Its version."""
    parts: list[Part]
    kept_in: str
    erasures: StoredFile

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """One backup. Times in ms since 1970, durations in s."""

    format: int = FORMAT
    id: str
    region: str
    created_ms: int
    took_s: float
    kind: Literal["full", "incremental"]
    parent: Parent | None = None
    partitions: int
    topics: dict[str, str]
    """Name -> Kafka's id of the changelog and of the inputs that positions speak of."""
    state_formats: list[int]
    bounds: int
    folds: list[int]
    """Of the markers; a backup of seconds may hold none."""
    encryption: Encryption | None = None
    states: list[States]
    control: list[Control] = []
    releases: list[Release] = []
    missing_releases: list[str] = []
    """Served, and not to be had on the machine that made the backup; and why."""
    archive: Archive | None = None
    """Where ClickHouse did not answer, that of the parent."""
    archive_problem: str = ""
    """Why it is not this backup's own."""

    @property
    def users(self) -> int:
        return sum(part.users for part in self.states)

    @property
    def own_files(self) -> list[StoredFile]:
        """The files that lie in this backup's own folder."""
        states = [file for part in self.states for file in part.files]
        releases = [
            f for one in self.releases if one.kept_in == self.id for f in one.files.values()
        ]
        return [*states, *(one.file for one in self.control), *releases, *self._archived]

    @property
    def _archived(self) -> list[StoredFile]:
        if self.archive is None:
            return []
        files = [(one.kept_in, one.file) for one in self.archive.parts]
        files.append((self.archive.kept_in, self.archive.erasures))
        return [file for kept_in, file in files if kept_in == self.id]

    @property
    def bytes(self) -> int:
        """Of all those files."""
        return sum(file.bytes for file in self.own_files)

    def require_readable(self) -> None:
        """Raises BackupError where this release cannot vouch for the states."""
        unread = set(self.state_formats) - set(FORMATS)
        known = {fold for _, bounds, fold in READ_MARKERS if bounds == self.bounds}
        if unread or self.bounds != BOUNDS_VERSION or set(self.folds) - known:
            raise BackupError(
                f"backup {self.id} holds states of format {_listed(self.state_formats)}, bounds"
                f" {self.bounds} and fold {_listed(self.folds)}; this release reads format"
                f" {_listed(sorted(FORMATS))}, bounds {BOUNDS_VERSION} and fold"
                f" {_listed(sorted(fold for _, _, fold in READ_MARKERS))}: take one that reads them"
            )


def encode(manifest: Manifest, seal: Seal) -> bytes:
    body = msgspec.json.encode(manifest)
    lines = [body, sha256_of(body).encode()]
    if (signature := seal.signature(body)) is not None:
        lines.append(signature.encode())
    return b"".join(line + b"\n" for line in lines)


def decode(content: bytes, where: str) -> Manifest:
    """Whole and of a format that is known; whether it was signed is `require_signature`'s
    question. Raises DamagedError, BackupError; `where` is the file's URL.
    """
    lines = content.split(b"\n")
    body = lines[0]
    end = len(lines) - 1
    if end not in (2, 3) or lines[end] or lines[1] != sha256_of(body).encode():
        raise DamagedError(f"{where} is damaged at offset 0: its hash is another")
    try:
        layout = msgspec.json.decode(body, type=_Layout).format
        if layout != FORMAT:
            raise BackupError(
                f"{where} is of format {layout}, this release reads {FORMAT}: take one that does"
            )
        manifest = msgspec.json.decode(body, type=Manifest)
    except msgspec.MsgspecError as error:
        raise DamagedError(f"{where} is damaged at offset 0: {error}") from None
    if (manifest.encryption is None) != (end == 2):
        raise DamagedError(f"{where} is damaged at offset {len(body)}: its lines do not fit")
    return manifest


def require_signature(content: bytes, seal: Seal, where: str) -> None:
    """Of a manifest that `decode` took and that says it is encrypted. Raises DamagedError."""
    body, _, given, _ = content.split(b"\n")
    if not hmac.compare_digest(given, (seal.signature(body) or "").encode()):
        raise DamagedError(
            f"{where} is damaged at offset {len(body) + 66}: it was not signed with this key"
        )


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class _Layout(msgspec.Struct):
    format: int


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers)) or "none"
