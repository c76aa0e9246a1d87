"""Whether this region publishes for an origin now, and at which epoch. The last door before the
commit: without an epoch from here a worker folds and publishes nothing.
"""

from typing import NamedTuple

from schemas.control import Ownership


class Gate(NamedTuple):
    """`epoch` to publish at, or None; `reason` says which and why, for logs and `status`."""

    epoch: int | None
    reason: str


def gate(region: str, origin: str, ownership: Ownership | None) -> Gate:
    """`ownership` is the record of `origin` that holds, None where no valid one was read."""
    if ownership is None or ownership.origin != origin:
        return Gate(
            None,
            f"origin {origin} has no valid record on region-ownership: its events are folded and"
            " nothing is published for it; `tidemill up` writes the first record",
        )
    if ownership.owner != region:
        return Gate(None, f"{ownership.owner} owns origin {origin} at epoch {ownership.epoch}")
    if ownership.draining:
        return Gate(
            None,
            f"{region} hands origin {origin} over: epoch {ownership.epoch} drains and publishes"
            " no more",
        )
    return Gate(ownership.epoch, f"{region} owns origin {origin} at epoch {ownership.epoch}")
