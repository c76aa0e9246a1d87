"""One backup of a region into a new folder at a URL: states, control topics, releases, archive.

A full one holds every state. An incremental one holds the states that were written to the
changelog since its parent read it: compaction keeps the newest record of each key, so nobody is
missed. The manifest is written last; a crash anywhere before leaves a folder that is no backup and
that a later `create` removes. Called by `tidemill backup create` and `schedule`.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from infra.backup import (
    artifacts,
    chain,
    changelog,
    controls,
    folders,
    manifest,
    states,
    unfinished,
)
from infra.backup.chain import Found
from infra.backup.changelog import Span
from infra.backup.manifest import Archive, Encryption, Manifest, States
from infra.backup.place import Place
from infra.backup.problems import ArchiveError, BackupError
from infra.backup.sealing import UNSEALED, Key, Seal
from infra.backup.tables.save import save
from infra.backup.tables.server import connected
from infra.local.home import Home
from infra.replicas import to_read
from schemas.state import BOUNDS_VERSION
from schemas.topics import STATE_CHANGELOG, STATE_JOINS, USER_EVENTS
from streams.lane import positions
from streams.settings import Settings
from streams.topology import copies

LONGEST_CHAIN = 24
"""Then a full one begins anew: a longer chain is slower to bring back, and a link more to lose."""
Progress = Callable[[int, int], None]
"""Told (records read of the changelog, records there are to read at the most)."""


@dataclass(frozen=True)
class Asked:
    """What a person asked for."""

    full: bool = False
    tables: bool = True
    """ClickHouse's too."""
    clickhouse_disks: Mapping[str, Path] = field(default_factory=dict)
    """The data folder of a ClickHouse as it is seen from here, by its address."""
    longest_chain: int = LONGEST_CHAIN


def create(
    settings: Settings,
    home: Home,
    place: Place,
    key: Key | None = None,
    asked: Asked | None = None,
    progress: Progress = lambda _, __: None,
) -> Manifest:
    """Raises BackupError, BrokerError, StoreError, ReleaseError; then there is no new backup."""
    asked = asked or Asked()
    begun_ms = time.time_ns() // 1_000_000
    begun_s = time.monotonic()
    names = [STATE_CHANGELOG.name, STATE_JOINS.name, *copies(USER_EVENTS, settings.peers)]
    spans = changelog.bounds(settings)
    topic_ids = positions.topic_ids(settings, names)
    known = chain.found(place)
    unfinished.remove(place, known)
    begun_ms = max(begun_ms, *(one.begun_ms + 1 for one in known)) if known else begun_ms
    id_ = chain.id_of(begun_ms)
    unfinished.begin(place, id_)
    parent = _parent(known, asked, settings, topic_ids, spans, key)
    if parent is not None:
        ended = {part.partition: part.end for part in parent.states}
        spans = {number: Span(ended[number], span.end) for number, span in spans.items()}
    seal = key.seal(id_) if key else UNSEALED
    saved = _states(settings, place, id_, seal, spans, progress)
    control = controls.save(settings, place, id_, seal)
    missing = artifacts.fetch(settings, home)
    releases = folders.save(home, place, id_, seal, parent.releases if parent else [])
    archive, archive_problem = _archive(settings, asked, place, id_, seal, parent)
    parts = [part for part, _ in saved]
    made = Manifest(
        id=id_,
        region=settings.region,
        created_ms=begun_ms,
        took_s=round(time.monotonic() - begun_s, 3),
        kind="incremental" if parent else "full",
        parent=chain.named(known, parent.id) if parent else None,
        partitions=len(spans),
        topics=topic_ids,
        state_formats=sorted(set().union(*(formats for _, formats in saved))),
        bounds=BOUNDS_VERSION,
        folds=sorted({part.marker.fold for part in parts if part.marker}),
        encryption=Encryption(key=key.id) if key else None,
        states=parts,
        control=control,
        releases=releases,
        missing_releases=missing,
        archive=archive,
        archive_problem=archive_problem,
    )
    place.publish(f"{id_}/{manifest.NAME}", manifest.encode(made, seal))
    return made


def _states(
    settings: Settings,
    place: Place,
    id_: str,
    seal: Seal,
    spans: Mapping[int, Span],
    progress: Progress,
) -> list[tuple[States, set[int]]]:
    """Of each partition what was written, and the formats of its states."""
    total = sum(span.end - span.begin for span in spans.values())
    done = 0

    def tell(count: int) -> None:
        nonlocal done
        done += count
        progress(done, total)

    saved = []
    for number, span in sorted(spans.items()):
        before = done
        with changelog.scratch(f"{id_}-{number}") as store:
            read = changelog.read_into(store, settings, number, span, tell)
            saved.append(states.save(store, place, id_, number, read, seal))
        done = before + span.end - span.begin  # what compaction and aborted transactions left out
        progress(done, total)
    return saved


def _archive(
    settings: Settings, asked: Asked, place: Place, id_: str, seal: Seal, parent: Manifest | None
) -> tuple[Archive | None, str]:
    """Of several ClickHouses the one that is read. Where it is away the rest is saved all the same:
    states are worth more. What the chain has of the tables stays, and the reason is in the
    manifest.
    """
    kept = parent.archive if parent else None
    if not asked.tables:
        return kept, "it was not asked for"
    address = to_read(settings)
    try:
        with connected(settings, address, asked.clickhouse_disks.get(address)) as target:
            return save(target, place, id_, seal, kept), ""
    except ArchiveError as error:
        return kept, str(error)


def _parent(
    known: Sequence[Found],
    asked: Asked,
    settings: Settings,
    topic_ids: Mapping[str, str],
    spans: Mapping[int, Span],
    key: Key | None,
) -> Manifest | None:
    """What an incremental backup may go on from: the newest one, if it is of this very changelog,
    the changelog still reaches back to where it ended, and whoever opens one opens the other.
    """
    usable = [one for one in chain.finished(known) if one.region == settings.region]
    if asked.full or not usable:
        return None
    parent = usable[-1]
    changelog_id = topic_ids[STATE_CHANGELOG.name]
    encryption = Encryption(key=key.id) if key else None
    ended = {part.partition: part.end for part in parent.states}
    try:
        links = chain.chain_to(known, parent.id)
    except BackupError:
        return None
    if (
        parent.topics.get(STATE_CHANGELOG.name) != changelog_id
        or parent.encryption != encryption
        or ended.keys() != spans.keys()
        or any(not span.begin <= ended[n] <= span.end for n, span in spans.items())
        or len(links) >= asked.longest_chain
    ):
        return None
    return parent
