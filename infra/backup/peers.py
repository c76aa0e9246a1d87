"""The states of a peer into this region: its changelog read, its users joined in.

It is how a new region is seeded, a wiped one rebuilt, an outage longer than retention healed and a
divergence mended. Any number of times, under load; the peer's workers take no part and it is only
read from. Called by `tidemill region join`.
"""

from collections.abc import Callable

from infra.backup import changelog, joining
from infra.backup.joining import Joined
from infra.backup.problems import BackupError
from streams.settings import Settings

Progress = Callable[[int, int], None]
"""Told (records of the peer's changelog that were read or joined, all of them)."""


def join_from(
    settings: Settings,
    peer_kafka: str,
    progress: Progress = lambda _, __: None,
    *,
    dry_run: bool = False,
) -> Joined:
    """Returns when this region's Kafka has everything; `dry_run`: only says what it lacks. Raises
    BackupError, BrokerError.
    """
    peer = settings.model_copy(update={"kafka": peer_kafka})
    spans = changelog.bounds(peer)
    joining.require_region(settings)
    if changelog.topic_id(peer) == changelog.topic_id(settings):
        raise BackupError(f"{peer_kafka} is this region's own Kafka; --from names a peer's")
    total = sum(span.end - span.begin for span in spans.values())
    joined, behind = Joined(), 0
    with joining.region_states(settings, lambda _: None) as known:
        for number, span in sorted(spans.items()):
            with changelog.scratch(f"{peer_kafka}-{number}") as store:
                changelog.read_into(store, peer, number, span)
                users = ((user.encode(), data) for user, data in store.states())
                where = f"partition {number} of the changelog at {peer_kafka}"
                part = joining.send(settings, users, known, where, dry_run=dry_run)
            joined.read += part.read
            joined.sent += part.sent
            joined.here += part.here
            behind += span.end - span.begin
            progress(behind, total)
    return joined
