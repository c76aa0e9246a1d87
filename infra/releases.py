"""A release on its way from its folder to the people: the store, Triton, then the workers.

A version is put into the artifact store, installed, loaded beside what is served, and asked for
its golden outputs on that very server; only then `model-releases` names it and the workers ask for
it. If anything fails before that record, what was served goes on. Whether it is a new version, a
canary, a promotion or a rollback: each goes this one way. Called by `tidemill release`, `promote`,
`rollback`, `releases` and `up`.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec

from inference.errors import InferenceError, ReleaseError
from inference.releases import (
    check_encoder,
    check_golden,
    install,
    install_encoder,
    load,
    load_encoders,
    manifest_hash_of,
    verify,
    versions,
    with_text,
)
from inference.releases.store import fetch, hash_at, put, url_of
from infra import control, served, triton_models
from infra.local.home import Home
from schemas.control import ModelRelease, Served
from schemas.serving import ENCODER
from schemas.topics import MODEL_RELEASES
from streams.catalogue.release_items import newest_version
from streams.settings import Settings

Change = Callable[[Served | None], Served]


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A version among our releases. `problem` says why it cannot be served, None for none;
    `served` in which regions it is, `canary` in which to what share of the users.
    """

    version: str
    created_ms: int | None
    metrics: dict[str, float]
    served: list[str]
    canary: dict[str, float]
    problem: str | None


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


def publish(
    settings: Settings, home: Home, folder: Path, share: float | None = None
) -> ModelRelease:
    """Serve this release in this region, to all or, as a canary, to a share of the users. Raises
    InferenceError and BrokerError.
    """
    manifest = verify(folder)
    return _change(
        settings,
        home,
        manifest.model,
        lambda now: served.released(now, manifest.version, share),
        home.artifacts or str(home.releases),
    )


def promote(settings: Settings, home: Home, model: str) -> ModelRelease:
    """The canary, for all. Raises InferenceError and BrokerError."""
    return _change(settings, home, model, served.promoted)


def roll_back(settings: Settings, home: Home, model: str, to: str | None = None) -> ModelRelease:
    """Away from the canary, or back to what was served before, or to the version that is named.
    Raises InferenceError and BrokerError.
    """
    return _change(settings, home, model, lambda now: served.rolled_back(now, to))


def known(settings: Settings, home: Home, model: str) -> list[Known]:
    """Our releases, newest first, and where each is served. Raises BrokerError."""
    record = control.releases(settings).current(model)
    regions = {} if record is None else record.served
    found = []
    for number in reversed(versions(home.releases / model)):
        version, problem, manifest = str(number), None, None
        try:
            manifest = verify(home.releases / model / version)
        except ReleaseError as error:
            problem = str(error)
        found.append(
            Known(
                version=version,
                created_ms=None if manifest is None else manifest.created_ms,
                metrics={} if manifest is None else manifest.metrics,
                served=[name for name, one in regions.items() if one.version == version],
                canary={
                    name: one.canary.share
                    for name, one in regions.items()
                    if one.canary is not None and one.canary.version == version
                },
                problem=problem,
            )
        )
    return found


def bring_back(settings: Settings, home: Home, model: str, now: Served) -> None:
    """Load what the record says is served into a Triton that has started anew, and ask it for
    its golden outputs. Raises InferenceError.
    """
    record = control.releases(settings).current(model)
    wanted = served.versions(now)
    folders = [
        _here(home, model, version, None if record is None else record.url) for version in wanted
    ]
    for folder in folders:
        _install(folder, home)
    for url in settings.triton:
        load(url, wanted, model=model)
        load_encoders(url, home.triton, wanted)
        for folder in folders:
            check_golden(url, folder, folder.name, model=model)
            check_encoder(url, home.triton, folder.name)


def _change(
    settings: Settings, home: Home, model: str, change: Change, store: str | None = None
) -> ModelRelease:
    """The one way: prove every version that will be served, then say so. `store` is where versions
    are kept from now on; None: where they were.

    What was served until now stays loaded: workers ask for it until they have read the record.
    """
    before = control.releases(settings).current(model)
    now = before.served.get(settings.region) if before else None
    then = change(now)
    kept = served.versions(now)
    for version in served.versions(then):
        _install(_here(home, model, version, None if before is None else before.url), home)
    for server in settings.triton:
        loaded = kept
        for version in served.versions(then):
            _prove(server, home, model, version, loaded)
            loaded = tuple(dict.fromkeys((*loaded, version)))
    if before is None or store is not None:
        assert store is not None  # the first record of a model is that of a release
        url = _put(home, model, then, before, store)
    else:
        url = before.url
    record = _record(settings, home, model, then, url, before)
    control.write(settings, MODEL_RELEASES, record.model, record)
    return record


def _put(home: Home, model: str, then: Served, before: ModelRelease | None, store: str) -> str:
    """The record has one URL for all versions, so all that is served goes to a new store."""
    url = url_of(store, model)
    moved = before is not None and before.url != url
    others = before.served.values() if before is not None and moved else ()
    for version in dict.fromkeys(v for one in (then, *others) for v in served.versions(one)):
        put(_here(home, model, version, None if before is None else before.url), store)
    return url


def _here(home: Home, model: str, version: str, url: str | None) -> Path:
    """The release's folder on this machine, fetched from the store if need be."""
    if url is None or (home.releases / model / version).exists():
        return folder_of(home, model, version)
    return fetch(url, version, home.releases, model)


def _install(folder: Path, home: Home) -> None:
    install(folder, home.triton)
    install_encoder(home.triton, folder.name)


def _prove(server: str, home: Home, model: str, version: str, kept: tuple[str, ...]) -> None:
    """Load and check; where that fails, what is served stands alone again."""
    try:
        if version not in triton_models.loaded(server, model).versions:
            load(server, {*kept, version}, model=model)
        check_golden(server, home.triton / model / version, version, model=model)
        if with_text(home.triton, [version]):
            if version not in triton_models.loaded(server, ENCODER).versions:
                load_encoders(server, home.triton, {*kept, version})
            check_encoder(server, home.triton, version)
    except InferenceError:
        if kept and version not in kept:
            load(server, kept, model=model)
            load_encoders(server, home.triton, kept)
        raise


def _record(
    settings: Settings,
    home: Home,
    model: str,
    then: Served,
    url: str,
    before: ModelRelease | None,
) -> ModelRelease:
    record = ModelRelease(
        model=model,
        revision=before.revision + 1 if before else 1,
        region=settings.region,
        url=url,
        hash="",
        served={**(before.served if before else {}), settings.region: then},
    )
    # The hash is that of the newest version that any region serves.
    newest = newest_version(record)
    assert newest is not None
    here = home.releases / model / newest
    found = manifest_hash_of(here) if here.exists() else hash_at(url, newest)
    return msgspec.structs.replace(record, hash=found)
