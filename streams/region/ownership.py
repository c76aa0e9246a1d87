"""Which ownership record of an origin holds, out of all the copies that were read.

The highest (epoch, draining) wins, in whatever order the copies come; of those that say the same,
the one that asks last for a rotation of `state-digests`. A record that says what
cannot be is refused and changes nothing. `gate`, `valid` and the commands of `infra` build on it;
nothing here writes a record.
"""

from collections.abc import Mapping

from schemas.codec import MessageDecoder, Reason, RefusedError, encode
from schemas.control import Ownership
from streams.region.copies import Copy

REGION_NUMBERS = 16
"""epoch = counter * 16 + region number, so that two promotions never share an epoch."""
FIRST_COUNTER = 1


class Ownerships:
    """What `region-ownership` says, over all its copies. Called by one thread at a time."""

    def __init__(self) -> None:
        self.decoder: MessageDecoder[Ownership] = MessageDecoder("ownership")
        self._current: dict[str, Ownership] = {}
        self._unreadable: dict[str, str] = {}

    def apply(self, copy: Copy) -> None:
        """Raises RefusedError for a record that cannot be used; what held before still does."""
        key = (copy.key or b"").decode(errors="replace")
        try:
            record = self.decoder.decode(copy.value, copy.schema)
            check(record, key)
        except RefusedError as error:
            self._unreadable[key] = f"{copy.where()}: {error}"
            raise
        known = self._current.get(record.origin)
        if known is None or _rank(record) > _rank(known):
            self._current[record.origin] = record

    def current(self, origin: str) -> Ownership | None:
        return self._current.get(origin)

    @property
    def origins(self) -> Mapping[str, Ownership]:
        """Each origin that has a valid record, with the record that holds."""
        return self._current

    @property
    def rotation_ms(self) -> int:
        """When a full rotation of `state-digests` was asked for last; 0: never."""
        return max((record.rotation_ms for record in self._current.values()), default=0)

    def unreadable(self, origin: str) -> str | None:
        """Where the last refused record of this origin lies and what is wrong with it."""
        return self._unreadable.get(origin)


def check(record: Ownership, key: str) -> None:
    """What the type cannot say of a record with this key. Raises RefusedError."""
    if key != record.origin:
        raise RefusedError(Reason.OUT_OF_BOUNDS, f"key {key!r} is not the origin {record.origin!r}")
    if record.epoch < epoch_of(FIRST_COUNTER, 0):
        raise RefusedError(Reason.OUT_OF_BOUNDS, f"epoch {record.epoch} is below the first one")
    past = [epoch.epoch for epoch in record.past]
    if len(set(past)) != len(past) or any(epoch >= record.epoch for epoch in past):
        raise RefusedError(
            Reason.OUT_OF_BOUNDS,
            f"past epochs {past} of epoch {record.epoch} repeat or are not past",
        )


def epoch_of(counter: int, region_number: int) -> int:
    """The epoch that the region of this number writes. Raises ValueError for another number."""
    if not 0 <= region_number < REGION_NUMBERS:
        raise ValueError(f"region number {region_number} is not in 0 to {REGION_NUMBERS - 1}")
    return counter * REGION_NUMBERS + region_number


def next_epoch(highest_epoch: int, region_number: int) -> int:
    """The epoch of a promotion: counter one above the highest known, written by this region."""
    return epoch_of(highest_epoch // REGION_NUMBERS + 1, region_number)


def first_record(
    origin: str, region_number: int, existing: Ownerships, command_id: str
) -> Ownership | None:
    """The record that makes an origin its own owner, or None where it has one already.

    `existing` must have read own and mirrored copies to their ends. Raises RefusedError where
    there are only records that cannot be read: one of them may name another owner.
    """
    if existing.current(origin) is not None:
        return None
    if (unreadable := existing.unreadable(origin)) is not None:
        raise RefusedError(
            Reason.WRONG_SCHEMA,
            f"no first record for {origin}: there is one that cannot be read ({unreadable})",
        )
    return Ownership(
        origin=origin,
        epoch=epoch_of(FIRST_COUNTER, region_number),
        owner=origin,
        command_id=command_id,
        reason="the first record of this origin",
    )


def _rank(record: Ownership) -> tuple[int, bool, int, bytes]:
    # The bytes decide only between records that should not both exist, so that all agree on one.
    return record.epoch, record.draining, record.rotation_ms, encode(record)
