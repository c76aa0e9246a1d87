"""A release on its way from its folder to the people: Triton first, then the workers.

A version is installed, loaded beside what is served, and asked for its golden outputs on that
very server; only then `model-releases` names it and the workers ask for it. If anything fails
before that record, what was served goes on. Called by `tidemill release` and `tidemill up`.
"""

from pathlib import Path

from inference.errors import InferenceError, ReleaseError
from inference.releases import check_golden, install, load, manifest_hash_of, verify, versions
from infra import control
from infra.local.home import Home
from schemas.control import ModelRelease, Served
from schemas.topics import MODEL_RELEASES
from streams.catalogue.release_items import newest_version
from streams.settings import Settings


def folder_of(home: Home, model: str, version: str | None = None) -> Path:
    """A release's folder, the newest one's where no version is named. Raises ReleaseError."""
    parent = home.releases / model
    known = versions(parent)
    if not known:
        raise ReleaseError(f"there is no release of {model}; `tidemill train` makes one")
    if version is not None and version not in map(str, known):
        raise ReleaseError(
            f"there is no version {version} of {model}; there are {', '.join(map(str, known))}"
        )
    return parent / (version or str(known[-1]))


def publish(settings: Settings, home: Home, folder: Path) -> ModelRelease:
    """Serve this release in this region. Raises InferenceError and BrokerError.

    The version that was served stays loaded beside it: workers ask for it until they have read
    the new record.
    """
    manifest = verify(folder)
    before = control.releases(settings).current(manifest.model)
    served = before.served.get(settings.region) if before else None
    kept = _versions(served)
    install(folder, home.triton)
    for url in settings.triton:
        _prove(url, home, manifest.model, manifest.version, kept)
    record = _record(settings, home, folder, before)
    control.write(settings, MODEL_RELEASES, record.model, record)
    return record


def bring_back(settings: Settings, home: Home, model: str, served: Served) -> None:
    """Load what the record says is served into a Triton that has started anew, and ask it for
    its golden outputs. Raises InferenceError.
    """
    wanted = _versions(served)
    for version in wanted:
        install(folder_of(home, model, version), home.triton)
    for url in settings.triton:
        load(url, wanted, model=model)
        for version in wanted:
            check_golden(url, folder_of(home, model, version), version, model=model)


def _versions(served: Served | None) -> tuple[str, ...]:
    if served is None:
        return ()
    canary = (served.canary.version,) if served.canary is not None else ()
    return (served.version, *canary)


def _prove(url: str, home: Home, model: str, version: str, kept: tuple[str, ...]) -> None:
    """Load and check; where that fails, what is served stands alone again."""
    try:
        load(url, {*kept, version}, model=model)
        check_golden(url, home.triton / model / version, version, model=model)
    except InferenceError:
        if kept and version not in kept:
            load(url, kept, model=model)
        raise


def _record(
    settings: Settings, home: Home, folder: Path, before: ModelRelease | None
) -> ModelRelease:
    model, version = folder.parent.name, folder.name
    served = {**(before.served if before else {}), settings.region: Served(version=version)}
    record = ModelRelease(
        model=model,
        revision=before.revision + 1 if before else 1,
        region=settings.region,
        url=f"{home.releases / model}/{{version}}",
        hash=manifest_hash_of(folder),
        served=served,
    )
    newest = newest_version(record)
    if newest in (None, version):
        return record
    # Another region serves a newer one, and the record's hash is the newest one's.
    assert newest is not None
    return ModelRelease(
        model=record.model,
        revision=record.revision,
        region=record.region,
        url=record.url,
        hash=manifest_hash_of(folder_of(home, model, newest)),
        served=served,
    )
