"""Rows of the control topics and of the state digests.

Pure: a record in, a row out, or None for a null value, which only frees space on its topic.
Called by `rows`. A record and its mirrored copy give the same row.
"""

from schemas.codec import SCHEMA_HEADER, M, MessageDecoder
from schemas.control import Experiment, ModelRelease, Ownership, StateDigest
from streams.lane.contract import Record
from streams.region.ownership import check
from streams.stages.archive.cells import content_hash, signed, time_ms, unsigned
from streams.stages.archive.tables import (
    ExperimentRow,
    ModelReleaseRow,
    RegionOwnershipRow,
    StateDigestRow,
)

_digests: MessageDecoder[StateDigest] = MessageDecoder("state-digest")
_releases: MessageDecoder[ModelRelease] = MessageDecoder("model-release")
_experiments: MessageDecoder[Experiment] = MessageDecoder("experiment")
_ownerships: MessageDecoder[Ownership] = MessageDecoder("ownership")


def state_digest_row(record: Record, _origin: str) -> StateDigestRow | None:
    """Raises RefusedError."""
    digest = _decoded(_digests, record)
    if digest is None:
        return None
    return StateDigestRow(
        region=digest.region,
        partition=unsigned(digest.partition, 32),
        slice=unsigned(digest.slice, 32),
        made_at_ms=time_ms(record),
        folded_to__origin=list(digest.folded_to),
        folded_to__appended_at_ms=[unsigned(time) for time in digest.folded_to.values()],
        users__user_id=[user.user for user in digest.users],
        users__digest=[user.digest for user in digest.users],
        users__newest_ms=[unsigned(user.newest_ms) for user in digest.users],
        row_version=content_hash(record.value()),
    )


def model_release_row(record: Record, _origin: str) -> ModelReleaseRow | None:
    """Raises RefusedError. A region without a canary has '' and 0 for it."""
    release = _decoded(_releases, record)
    if release is None:
        return None
    served = list(release.served.values())
    return ModelReleaseRow(
        model=release.model,
        revision=signed(release.revision),
        region=release.region,
        url=release.url,
        hash=release.hash,
        served__region=list(release.served),
        served__version=[each.version for each in served],
        served__canary_version=[each.canary.version if each.canary else "" for each in served],
        served__canary_share=[each.canary.share if each.canary else 0.0 for each in served],
        row_version=content_hash(record.value()),
    )


def experiment_row(record: Record, _origin: str) -> ExperimentRow | None:
    """Raises RefusedError."""
    experiment = _decoded(_experiments, record)
    if experiment is None:
        return None
    return ExperimentRow(
        name=experiment.name,
        revision=signed(experiment.revision),
        region=experiment.region,
        surface=experiment.surface,
        arms__name=[arm.name for arm in experiment.arms],
        arms__share=[arm.share for arm in experiment.arms],
        row_version=content_hash(record.value()),
    )


def region_ownership_row(record: Record, _origin: str) -> RegionOwnershipRow | None:
    """Raises RefusedError, as for a reader: what does not hold there must not hold in a view."""
    ownership = _decoded(_ownerships, record)
    if ownership is None:
        return None
    check(ownership, (record.key() or b"").decode(errors="replace"))
    fences = [
        (past.epoch, partition, appended_at_ms)
        for past in ownership.past
        for partition, appended_at_ms in past.fences.items()
    ]
    return RegionOwnershipRow(
        origin=ownership.origin,
        epoch=signed(ownership.epoch),
        draining=ownership.draining,
        owner=ownership.owner,
        past__epoch=[signed(past.epoch) for past in ownership.past],
        past__owner=[past.owner for past in ownership.past],
        fences__epoch=[signed(epoch) for epoch, _, _ in fences],
        fences__partition=[unsigned(partition, 32) for _, partition, _ in fences],
        fences__appended_at_ms=[unsigned(time) for _, _, time in fences],
        command_id=ownership.command_id,
        reason=ownership.reason or "",
        row_version=content_hash(record.value()),
    )


def _decoded(decoder: MessageDecoder[M], record: Record) -> M | None:
    value = record.value()
    if value is None:
        return None
    return decoder.decode(value, dict(record.headers() or ()).get(SCHEMA_HEADER))
