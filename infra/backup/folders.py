"""Release folders in a backup. A release never changes, so a chain holds each once.

Called by `create`, `verify` and `restore`. Whether a folder is a release, and this one, is
`inference.releases`' question, asked before anything of it is kept or brought back. That package
knows torch, so it is imported where there is a release: without one no backup needs torch.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from inference.folders import drafted, locked, publish
from infra.backup import blocks
from infra.backup.manifest import Manifest, Release
from infra.backup.place import Place
from infra.backup.problems import BackupError, DamagedError
from infra.backup.sealing import Seal
from infra.local.home import Home
from schemas.releases import MANIFEST

Seals = Mapping[str, Seal]
"""Of each backup of a chain, by its id."""


def save(home: Home, place: Place, id_: str, seal: Seal, kept: Sequence[Release]) -> list[Release]:
    """All releases of this region; `kept` are those that the chain has already. Raises
    ReleaseError for one that was changed.
    """
    known = {(one.model, one.version, one.hash): one for one in kept}
    saved = []
    for folder in _folders(home):
        from inference.releases import manifest_hash_of, verify  # noqa: PLC0415 - knows torch

        manifest = verify(folder)
        hash_ = manifest_hash_of(folder)
        before = known.get((manifest.model, manifest.version, hash_))
        files = before.files if before else {
            name: blocks.write(
                place, id_, f"release-{manifest.model}-{manifest.version}-{name}",
                _blocks(folder / name), seal,
            )
            for name in (MANIFEST, *manifest.files)
        }  # fmt: skip
        saved.append(
            Release(
                model=manifest.model,
                version=manifest.version,
                hash=hash_,
                kept_in=before.kept_in if before else id_,
                files=files,
            )
        )
    return saved


def check(place: Place, manifest: Manifest, seals: Seals) -> None:
    """Every file opens, and each release's own manifest is the one that was kept. Raises
    DamagedError.
    """
    for release in manifest.releases:
        for name, file in release.files.items():
            digest = hashlib.sha256()
            for block in blocks.read(place, release.kept_in, file, seals[release.kept_in]):
                digest.update(block)
            if name == MANIFEST and digest.hexdigest() != release.hash:
                raise DamagedError(
                    f"{place.url}/{release.kept_in}/{file.name} is damaged at offset 0: it is not"
                    " the release that was kept"
                )


def restore(home: Home, place: Place, manifest: Manifest, seals: Seals) -> list[str]:
    """What was not here, as `model/version`. Raises BackupError where another release has the
    name, DamagedError, ReleaseError.
    """
    written = []
    for release in manifest.releases:
        from inference.releases import manifest_hash_of, verify  # noqa: PLC0415 - knows torch

        if not release.version.isdecimal() or any(
            name != Path(name).name for name in (release.model, *release.files)
        ):
            raise BackupError(f"{release.model} {release.version} cannot be a release")
        parent = home.releases / release.model
        target = parent / release.version
        with locked(parent):
            if target.exists():
                if manifest_hash_of(target) != release.hash:
                    raise BackupError(f"{target} is another release; move it away to restore")
                continue
            with drafted(parent) as draft:
                for name, file in release.files.items():
                    seal = seals[release.kept_in]
                    with (draft / name).open("wb") as out:
                        for block in blocks.read(place, release.kept_in, file, seal):
                            out.write(block)
                verify(draft, release.hash)
                publish(draft, target)
        written.append(f"{release.model}/{release.version}")
    return written


def _folders(home: Home) -> Iterator[Path]:
    if not home.releases.is_dir():
        return
    for manifest in sorted(home.releases.glob(f"*/*/{MANIFEST}")):
        if manifest.parent.name.isdecimal():
            yield manifest.parent


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(blocks.BLOCK_BYTES):
            yield block
