"""A backup back into a region: its releases and control records, and its states by joining.

Everything of the chain is looked at, byte by byte, before anything is brought back; what is
damaged is refused whole. A state is joined, so an erased user stays erased, what was learned since
stays, and any number of repetitions changes nothing. Users are placed anew: the region may have
another number of partitions. Recommendations are not in a backup, so no older slate comes back.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from infra.backup import blocks, chain, controls, folders, joining, states
from infra.backup.folders import Seals
from infra.backup.joining import Joined
from infra.backup.manifest import Manifest
from infra.backup.place import Place
from infra.backup.sealing import Key
from infra.local.home import Home
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
) -> Restored:
    """Returns when Kafka has everything. Raises BackupError, BrokerError, ReleaseError; what was
    brought back until then does no harm.
    """
    joining.require_region(settings)
    releases = folders.restore(home, kept.place, kept.newest, kept.seals)
    seal = kept.seals[kept.newest.id]
    control = controls.restore(settings, kept.place, kept.newest, seal, ownership=ownership)
    where = f"{kept.place.url}/{kept.newest.id}"
    with joining.region_states(settings, lambda _: None) as known:
        joined = joining.send(settings, kept.states(), known, where, progress)
    return Restored(joined, releases, control)
