"""A backup back into a region: releases, control records, its states by joining, its archive.

Everything of the chain is looked at, byte by byte, before anything is brought back; what is
damaged is refused whole. A state is joined, so an erased user stays erased, what was learned since
stays, and any number of repetitions changes nothing. Users are placed anew: the region may have
another number of partitions. Recommendations come back into the archive only, never to Kafka, so
no older slate reaches anybody; and nothing of a user before his erasure does.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.backup import artifacts, blocks, chain, controls, folders, joining, states
from infra.backup.folders import Seals
from infra.backup.joining import Joined
from infra.backup.manifest import Manifest
from infra.backup.place import Place
from infra.backup.sealing import Key
from infra.backup.tables import restore as tables
from infra.backup.tables.restore import Brought, Kept
from infra.backup.tables.server import connected
from infra.clickhouse.migrate import MigrationError, migrate
from infra.local.home import Home
from schemas.state import UserState
from streams.settings import Settings


@dataclass(frozen=True)
class Chain:
    """A backup with all it goes on from, checked."""

    place: Place
    links: list[Manifest]
    seals: Seals

    @property
    def newest(self) -> Manifest:
        return self.links[-1]

    @property
    def users(self) -> int:
        """States in all its links: who changed is in several."""
        return sum(link.users for link in self.links)

    def states(self) -> Iterator[tuple[bytes, bytes]]:
        """(user_id, encoded state), oldest link first."""
        for link in self.links:
            for part in link.states:
                yield from states.read(self.place, link.id, part, self.seals[link.id])


@dataclass(frozen=True)
class Restored:
    """What came back: states, `model/version` of releases, keys of control topics."""

    states: Joined
    releases: list[str]
    control: dict[str, list[str]]
    archive: Brought | None
    """Rows of ClickHouse's tables, of several the sum; None where none were asked for or saved."""
    without: dict[str, str]
    """ClickHouses that have none of these rows now, and why; another restore brings them."""
    stored: list[str]
    """Releases that the artifact store lacked."""


def opened(place: Place, id_: str | None, key: Key | None, region: str | None = None) -> Chain:
    """The chain up to a backup, or the newest one of a region, every byte looked at. Raises
    BackupError for a key, format or fold that is not known, DamagedError that names file and
    offset.
    """
    links = chain.chain_to(chain.found(place), id_, region)
    for link in links:
        link.require_readable()
    seals = {link.id: chain.seal_of(place, link, key) for link in links}
    for link in links:
        for file in link.own_files:
            blocks.check(place, link.id, file)
    return Chain(place, links, seals)


def restore(
    settings: Settings,
    home: Home,
    kept: Chain,
    progress: Callable[[Joined], None] = lambda _: None,
    *,
    ownership: bool = False,
    archive: bool = True,
    clickhouse_disks: Mapping[str, Path] | None = None,
) -> Restored:
    """Returns when Kafka and ClickHouse, of several each that answers, have everything. Raises
    BackupError, BrokerError, ReleaseError, MigrationError; what was brought back until then does no
    harm.
    """
    joining.require_region(settings)
    saved = kept.newest.archive if archive else None
    without: dict[str, str] = {} if saved is None else _make_tables(settings)
    releases = folders.restore(home, kept.place, kept.newest, kept.seals)
    seal = kept.seals[kept.newest.id]
    control = controls.restore(settings, kept.place, kept.newest, seal, ownership=ownership)
    where = f"{kept.place.url}/{kept.newest.id}"
    with joining.region_states(settings, lambda _: None) as known:
        joined = joining.send(settings, kept.states(), known, where, progress)
        if saved is None:
            stored = artifacts.put(settings, home)
            return Restored(joined, releases, control, None, without, stored)
        brought = Brought()
        for address in settings.clickhouse:
            if address in without:
                continue
            ours = ((user.encode(), data) for user, data in known.states())
            erasures = _erasures(itertools.chain(ours, kept.states()))
            disk = (clickhouse_disks or {}).get(address)
            with connected(settings, address, disk) as target:
                files = Kept(kept.place, kept.seals)
                brought += tables.restore(target, files, saved, erasures)
    return Restored(joined, releases, control, brought, without, artifacts.put(settings, home))


def _make_tables(settings: Settings) -> dict[str, str]:
    """Whatever the archive's tables lack; the ClickHouses that are away, and what they say. Raises
    MigrationError where all are, before anything is brought back.
    """
    password = settings.clickhouse_password.get_secret_value()
    away: dict[str, MigrationError] = {}
    for address in settings.clickhouse:
        try:
            migrate(address, settings.clickhouse_user, password, settings.clickhouse_database)
        except MigrationError as error:
            away[address] = error
    if len(away) == len(settings.clickhouse):
        raise next(iter(away.values()))
    return {address: str(error) for address, error in away.items()}


def _erasures(states: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, int]]:
    """(user_id, up to when) of those who are erased."""
    for user, data in states:
        if erased_to_ms := UserState.decode(data).erased_to_ms:
            yield user, erased_to_ms
