"""The control topics of a region in a backup, and how they come back.

What is kept is what holds: of each key the record that a reader of own and mirrored copies goes by.
A record comes back only where it is above what holds now by that same rule, so an old backup can
never bring back an older release, experiment or owner. Ownership comes back only when it is asked
for: a region that was wiped learns from its peers who owns what, and must not guess.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol, TypeVar

import msgspec

from infra import control
from infra.backup import blocks
from infra.backup.manifest import Control, Manifest
from infra.backup.place import Place
from infra.backup.problems import BackupError
from infra.backup.sealing import Seal
from infra.broker import Sender
from schemas.codec import RefusedError, encode, schema_header
from schemas.topics import CONTROL, EXPERIMENTS, MODEL_RELEASES, REGION_OWNERSHIP, Topic
from streams.catalogue.experiments import Experiments
from streams.catalogue.releases import Releases
from streams.region.copies import Copy
from streams.region.ownership import Ownerships
from streams.settings import Settings


class _Reader(Protocol):
    def apply(self, copy: Copy) -> None: ...


_R = TypeVar("_R", bound=_Reader)


def save(settings: Settings, place: Place, id_: str, seal: Seal) -> list[Control]:
    """Raises BrokerError."""
    kept = []
    for topic in CONTROL:
        holding = _holding(topic, control.read(settings, topic))
        records = ((key.encode(), encode(message)) for key, message in sorted(holding.items()))
        file = blocks.write(place, id_, topic.name, blocks.pack(records), seal)
        kept.append(Control(topic=topic.name, records=len(holding), file=file))
    return kept


def restore(
    settings: Settings, place: Place, manifest: Manifest, seal: Seal, *, ownership: bool
) -> dict[str, list[str]]:
    """The keys that came back, by topic. Raises DamagedError, BackupError, BrokerError."""
    written: dict[str, list[str]] = {}
    for kept in manifest.control:
        topic = next((topic for topic in CONTROL if topic.name == kept.topic), None)
        if topic is None:
            raise BackupError(f"backup {manifest.id} holds {kept.topic}, which is not known here")
        if topic is REGION_OWNERSHIP and not ownership:
            continue
        held = [*control.read(settings, topic)]
        before = _holding(topic, held)
        after = _holding(topic, [*held, *_copies(place, manifest, kept, topic, seal)])
        changed = [key for key, message in after.items() if before.get(key) != message]
        assert topic.message is not None
        with Sender(settings) as sender:
            for key in changed:
                headers = [schema_header(topic.message)]
                sender.send(topic.name, key.encode(), encode(after[key]), headers)
        written[topic.name] = sorted(changed)
    return written


def verify(place: Place, manifest: Manifest, seal: Seal) -> None:
    """Raises DamagedError, BackupError."""
    for kept in manifest.control:
        topic = next((topic for topic in CONTROL if topic.name == kept.topic), None)
        if topic is None:
            continue
        found = len(_holding(topic, _copies(place, manifest, kept, topic, seal)))
        if found != kept.records:
            raise BackupError(
                f"{place.url}/{manifest.id}/{kept.file.name}: {found} of its {kept.records} records"
                " can be used by this release"
            )


def _copies(
    place: Place, manifest: Manifest, kept: Control, topic: Topic, seal: Seal
) -> Iterator[Copy]:
    assert topic.message is not None
    header = schema_header(topic.message)
    for block in blocks.read(place, manifest.id, kept.file, seal):
        for key, value in blocks.unpack(block):
            yield Copy(topic.name, manifest.region, 0, 0, 0, key, value, [header])


def _holding(topic: Topic, copies: Iterable[Copy]) -> Mapping[str, msgspec.Struct]:
    """Key -> the record that a worker goes by; what it cannot use is left out, as it does."""
    if topic is REGION_OWNERSHIP:
        ownerships = _applied(Ownerships(), copies)
        return dict(ownerships.origins)
    if topic is MODEL_RELEASES:
        releases = _applied(Releases(), copies)
        return dict(releases.models)
    assert topic is EXPERIMENTS
    return dict(_applied(Experiments(), copies).experiments)


def _applied(reader: _R, copies: Iterable[Copy]) -> _R:
    for copy in copies:
        try:
            reader.apply(copy)
        except RefusedError:
            continue
    return reader
