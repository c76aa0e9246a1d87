"""Releases that are served and lie in the artifact store only: into a backup, and back to a store.

A machine keeps the releases it made or served; another one's are in the store that the records of
`model-releases` name. Called by `create` before it saves what this machine has, and by `restore`
behind all else. The packages that know torch are imported where there is something to bring.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from inference.errors import ReleaseError
from infra import control
from infra.local.home import Home
from infra.served import versions
from streams.settings import Settings


class Wanted(NamedTuple):
    model: str
    version: str
    url: str


def fetch(settings: Settings, home: Home) -> list[str]:
    """Brings here what any region serves and is not here; a sentence for each that is not to be
    had: it may be a folder of another machine, and that is no reason to save nothing. Raises
    BrokerError.
    """
    problems = []
    for one in _served(settings):
        if (home.releases / one.model / one.version).exists():
            continue
        from inference.releases import store  # noqa: PLC0415 - knows torch

        try:
            store.fetch(one.url, one.version, home.releases, one.model)
        except ReleaseError as error:
            problems.append(f"{one.model} {one.version}: {error}")
    return problems


def put(settings: Settings, home: Home) -> list[str]:
    """Into the store that TIDEMILL_ARTIFACTS names, what is served from there, is here, and is not
    there any more; as `model/version`. Raises BrokerError, ReleaseError.
    """
    written = []
    for one in _served(settings) if home.artifacts else ():
        folder = home.releases / one.model / one.version
        if not folder.exists():
            continue
        from inference.releases import store  # noqa: PLC0415 - knows torch

        if one.url != store.url_of(home.artifacts, one.model):
            continue
        try:
            store.hash_at(one.url, one.version)
        except ReleaseError:  # not there; where the store is away, `put` says so
            store.put(folder, home.artifacts)
            written.append(f"{one.model}/{one.version}")
    return written


def _served(settings: Settings) -> Iterator[Wanted]:
    for model, record in sorted(control.releases(settings).models.items()):
        for version in sorted({v for one in record.served.values() for v in versions(one)}):
            if version == Path(version).name:
                yield Wanted(model, version, record.url)
