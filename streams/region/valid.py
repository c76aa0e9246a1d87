"""Whether an answer counts. The one rule that the gate, the reading of due asks, the reader
library and the archive's views share; the views have it as SQL, tested on the same cases.
"""

from schemas.control import Ownership
from schemas.recommendations import AnswerHeaders


def valid(headers: AnswerHeaders, partition: int, ownership: Ownership | None) -> bool:
    """Whether the recommendation of this partition with these headers is valid.

    It is if its epoch is the current one of its origin, or if its cause is not newer than the
    fence that ended its epoch in this partition. An epoch that the record does not list is not
    valid. Neither is a past epoch in a partition without a fence: the promoter knew of no answer
    there, so the asks are due again, and whatever that epoch says about them comes too late.
    Without a record nothing is valid.
    """
    if ownership is None or headers.origin != ownership.origin:
        return False
    if headers.epoch == ownership.epoch:
        return True
    for past in ownership.past:
        if past.epoch == headers.epoch:
            fence_ms = past.fences.get(partition)
            return fence_ms is not None and headers.cause.appended_at_ms <= fence_ms
    return False
