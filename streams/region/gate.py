"""Whether this region publishes for an origin now, and at which epoch. The last door before the
commit: without an epoch from here a worker folds and publishes nothing.
"""

from typing import NamedTuple

from schemas.control import Ownership


class Gate(NamedTuple):
    """Of one region for one origin."""

    region: str
    origin: str
    ownership: Ownership | None
    """The record of the origin that holds, None where no valid one was read."""

    @property
    def epoch(self) -> int | None:
        """The epoch to publish at, or None; asked for each batch."""
        record = self._record
        if record is None or record.owner != self.region or record.draining:
            return None
        return record.epoch

    @property
    def reason(self) -> str:
        """Which and why, for logs and `status`."""
        record = self._record
        if record is None:
            return (
                f"origin {self.origin} has no valid record on region-ownership: its events are"
                " folded and nothing is published for it; `tidemill up` writes the first record"
            )
        if record.owner == self.region and record.draining:
            return (
                f"{self.region} hands origin {self.origin} over: epoch {record.epoch} drains and"
                " publishes no more"
            )
        return f"{record.owner} owns origin {self.origin} at epoch {record.epoch}"

    @property
    def _record(self) -> Ownership | None:
        known = self.ownership
        return None if known is None or known.origin != self.origin else known
