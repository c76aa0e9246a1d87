"""Puts a release into the model repository that Triton reads. Triton is told by `serving.load`."""

import shutil
from pathlib import Path

from inference.errors import ReleaseError
from inference.folders import drafted, locked, publish, write_file
from inference.releases.folder import verify
from inference.repository import CONFIG, MODEL_CODE
from schemas.releases import MANIFEST


def install(release_folder: Path, model_repository: Path) -> Path:
    """Gives the version's folder. Installing the same release again changes nothing but the code
    beside it; another release under the same version is refused. Raises ReleaseError.
    """
    manifest = verify(release_folder)
    model = model_repository / manifest.model
    target = model / manifest.version
    with locked(model):
        _replace(model / CONFIG.name, CONFIG.read_bytes())
        if not target.exists():
            with drafted(model) as draft:
                for name in (MANIFEST, *manifest.files):
                    shutil.copyfile(release_folder / name, draft / name)
                shutil.copyfile(MODEL_CODE, draft / MODEL_CODE.name)
                verify(draft)  # a disk that is full or a file that changed meanwhile
                publish(draft, target)
        if (target / MANIFEST).read_bytes() != (release_folder / MANIFEST).read_bytes():
            raise ReleaseError(f"{target}: another release is installed as this version")
        verify(target)
        _replace(target / MODEL_CODE.name, MODEL_CODE.read_bytes())
    return target


def _replace(path: Path, content: bytes) -> None:
    if not path.is_file() or path.read_bytes() != content:
        write_file(path, content)
