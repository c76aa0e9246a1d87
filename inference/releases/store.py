"""The artifact store: where releases lie for everybody, at a URL that fsspec reads.

`<store>/<model>/<version>/` holds the files of the release folder, unchanged. Files go first and
the manifest last, so a folder with a manifest is whole; the same version is never written twice
with other content. Whoever fetches checks every byte. Called by `infra.releases`.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec
import msgspec

from inference.errors import ReleaseError
from inference.folders import drafted, locked, publish
from inference.releases.folder import verify
from schemas.releases import MANIFEST, Manifest


def url_of(store: str, model: str) -> str:
    """As a `model-releases` record names it: `{version}` stands for the version."""
    return f"{store.rstrip('/')}/{model}/{{version}}"


def put(folder: Path, store: str) -> str:
    """Brings a release there, and gives the URL for the record. What is there already is left as
    it is. Raises ReleaseError, also where this version is another release there.
    """
    manifest = verify(folder)
    url = url_of(store, manifest.model)
    base = url.replace("{version}", manifest.version)
    with _told(base, "written"):
        files, root = fsspec.core.url_to_fs(base)
        files.invalidate_cache()
        written = (folder / MANIFEST).read_bytes()
        if files.exists(f"{root}/{MANIFEST}"):
            if files.cat_file(f"{root}/{MANIFEST}") != written:
                raise ReleaseError(
                    f"{base}: another release has this version there; train again for a new one"
                )
            return url
        files.makedirs(root, exist_ok=True)
        for name in (*manifest.files, MANIFEST):
            content = (folder / name).read_bytes()
            files.pipe_file(f"{root}/{name}", content)
            if files.cat_file(f"{root}/{name}") != content:
                raise ReleaseError(f"{base}/{name}: it is not what was written")
    return url


def fetch(url: str, version: str, releases: Path, model: str, hash_: str | None = None) -> Path:
    """The folder of this version among our releases, brought there if it was not; `hash_` is its
    manifest's, where that is known. Raises ReleaseError.
    """
    target = releases / model / version
    base = url.replace("{version}", version).rstrip("/")
    with locked(target.parent):
        if target.exists():
            verify(target, hash_)
            return target
        with drafted(target.parent) as draft, _told(base, "read"):
            files, root = fsspec.core.url_to_fs(base)
            files.invalidate_cache()
            written = files.cat_file(f"{root}/{MANIFEST}")
            (draft / MANIFEST).write_bytes(written)
            for name in msgspec.json.decode(written, type=Manifest).files:
                if name == Path(name).name:  # what is not is refused below
                    (draft / name).write_bytes(files.cat_file(f"{root}/{name}"))
            found = verify(draft, hash_)
            if (found.model, found.version) != (model, version):
                raise ReleaseError(f"{base} holds {found.model} {found.version}")
            publish(draft, target)
    return target


def hash_at(url: str, version: str) -> str:
    """Of the manifest there. Raises ReleaseError."""
    base = url.replace("{version}", version).rstrip("/")
    with _told(base, "read"):
        files, root = fsspec.core.url_to_fs(base)
        return hashlib.sha256(files.cat_file(f"{root}/{MANIFEST}")).hexdigest()


@contextmanager
def _told(base: str, what: str) -> Iterator[None]:
    try:
        yield
    except ReleaseError:
        raise
    except ImportError as error:
        raise ReleaseError(
            f"{base} needs a package that is not installed here ({error}); tidemill[stores] has"
            " those of s3:// and webhdfs://"
        ) from error
    except Exception as error:
        # Each storage has errors of its own, and fsspec imports them when it is asked.
        raise ReleaseError(f"{base} cannot be {what}: {error!r}") from error
