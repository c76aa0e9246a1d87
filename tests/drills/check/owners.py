"""Who owns what, and which answers count: the two rules once more, as the design says them."""

from collections.abc import Iterable, Mapping

import msgspec

from schemas.control import Ownership
from tests.drills.check.answers import Answer
from tests.drills.check.logs import Logs

Owners = Mapping[str, Ownership]
"""Origin -> the record that holds."""


def owners(logs: Logs, topics: Iterable[str]) -> Owners:
    """Of all copies the highest epoch, and of that one the draining. A record that cannot be read,
    or whose key is another's, says nothing.
    """
    found: dict[str, Ownership] = {}
    for topic in topics:
        for message in logs.records(topic, 0):
            try:
                record = msgspec.json.decode(message.value() or b"", type=Ownership)
            except msgspec.MsgspecError:
                continue
            if message.key() != record.origin.encode():
                continue
            known = found.get(record.origin)
            if known is None or (record.epoch, record.draining) > (known.epoch, known.draining):
                found[record.origin] = record
    return found


def counts(answer: Answer, partition: int, holds: Owners) -> bool:
    """The current epoch's do, and an ended one's up to its fence."""
    return is_valid(answer.origin, answer.epoch, partition, answer.cause[0], holds)


def is_valid(origin: str, epoch: int, partition: int, cause_ms: int, holds: Owners) -> bool:
    ownership = holds.get(origin)
    if ownership is None:
        return False
    if epoch == ownership.epoch:
        return True
    fences = (past.fences.get(partition) for past in ownership.past if past.epoch == epoch)
    return any(fence is not None and cause_ms <= fence for fence in fences)
