"""A release folder: `<releases>/<model>/<version>/`, as schemas.releases describes it.

It appears whole or not at all, never changes afterwards, and is checked byte by byte before
anything of it is used.
"""

import hashlib
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from inference.errors import ReleaseError
from inference.folders import drafted, locked, publish
from inference.models import text_file
from inference.models.weights import MODEL_FILE, encode
from inference.releases import golden
from inference.training.fitted import Fitted
from schemas.releases import GOLDEN, ITEMS, MANIFEST, TEXT, Manifest, ReleaseItem
from schemas.serving import MODEL

# Both become folders of a model repository, and Triton's versions are numbers from 1.
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_VERSION = re.compile(r"[1-9][0-9]{0,17}")


def write(
    fitted: Fitted,
    releases: Path,
    metrics: Mapping[str, float],
    *,
    model: str = MODEL,
    beside: Mapping[str, bytes] | None = None,
) -> Path:
    """Writes the model as the next version and gives its folder. What lies `beside` it, by name, is
    for people: nothing that serves it reads that. Raises ReleaseError where the disk does not take
    it; nothing of it is left then.
    """
    files = {
        **(beside or {}),
        ITEMS: msgspec.json.encode(fitted.items),
        MODEL_FILE: encode(fitted.model),
        GOLDEN: golden.make(fitted),
    }
    if fitted.text is not None:
        files[TEXT] = text_file.encode(
            fitted.text.encoder, fitted.text.space, golden.golden_request(fitted)
        )
    parent = releases / model
    with _told(parent), locked(parent), drafted(parent) as draft:
        version = str(max([0, *versions(parent)]) + 1)
        manifest = Manifest(
            model=model,
            version=version,
            created_ms=time.time_ns() // 1_000_000,
            training=fitted.training,
            metrics=dict(metrics),
            files={name: _digest(content) for name, content in files.items()},
            text=None if fitted.text is None else fitted.text.says,
        )
        files[MANIFEST] = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
        for name, content in files.items():
            (draft / name).write_bytes(content)
        publish(draft, parent / version)
    return parent / version


@contextmanager
def _told(parent: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ReleaseError(
            f"{parent}: a release cannot be written there: {error.strerror}; nothing of it is left"
        ) from error


def versions(parent: Path) -> list[int]:
    """The versions in `<releases>/<model>`, ascending."""
    if not parent.is_dir():
        return []
    return sorted(int(entry.name) for entry in parent.iterdir() if entry.name.isdecimal())


def verify(folder: Path, manifest_hash: str | None = None) -> Manifest:
    """Reads every byte. `manifest_hash` is that of the `model-releases` record. Raises
    ReleaseError that names what was changed.
    """
    path = folder / MANIFEST
    content = _content(path)
    if manifest_hash is not None and _digest(content) != manifest_hash:
        raise ReleaseError(f"{path}: it is not the manifest that was released")
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
    except msgspec.MsgspecError as error:
        raise ReleaseError(f"{path}: it is no manifest: {error}") from None
    if not (_NAME.fullmatch(manifest.model) and _VERSION.fullmatch(manifest.version)):
        raise ReleaseError(f"{path}: {manifest.model!r} {manifest.version!r} cannot be a release")
    must = {ITEMS, MODEL_FILE, GOLDEN, *([] if manifest.text is None else [TEXT])}
    missing = must - set(manifest.files)
    if missing:
        raise ReleaseError(f"{path}: it does not list {', '.join(sorted(missing))}")
    for name, digest in manifest.files.items():
        if name != Path(name).name or name == MANIFEST:
            raise ReleaseError(f"{path}: {name!r} cannot be a file of the release")
        if _digest(_content(folder / name)) != digest:
            raise ReleaseError(f"{folder / name}: it was changed after the release was made")
    return manifest


def read(folder: Path, manifest_hash: str | None = None) -> tuple[Manifest, list[ReleaseItem]]:
    """The manifest and the items of a release, verified. Raises ReleaseError."""
    manifest = verify(folder, manifest_hash)
    try:
        items = msgspec.json.decode(_content(folder / ITEMS), type=list[ReleaseItem])
    except msgspec.MsgspecError as error:
        raise ReleaseError(f"{folder / ITEMS}: it does not hold items: {error}") from None
    return manifest, items


def manifest_hash_of(folder: Path) -> str:
    """The hash that a `model-releases` record carries."""
    return _digest(_content(folder / MANIFEST))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ReleaseError(f"{path}: it cannot be read: {error.strerror}") from None
