"""One look: where logs end in a cluster, if it answers within a second.

A client for each look: librdkafka's goes on asking for ends with the leader epoch that it knew
first, and a broker that was killed and came back refuses that for ever. Called by `watch`.
"""

from collections.abc import Iterable

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

ANSWER_S = 1.0
"""A broker that runs answers in milliseconds, and what a look finds must be fresh."""
_IS_NOT_THERE = (
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001 - librdkafka's codes have no public name
    KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
)

Log = tuple[str, int]
"""Topic and partition."""


def ends(kafka: str, logs: Iterable[Log]) -> dict[Log, int] | None:
    """The end of each log that is there; None where the cluster tells of none of them in time."""
    admin = AdminClient({"bootstrap.servers": kafka, "log_level": 0})
    wanted = {TopicPartition(*log): OffsetSpec.latest() for log in logs}
    found, answered = {}, False
    for log, answer in admin.list_offsets(wanted, request_timeout=ANSWER_S).items():
        try:
            end = answer.result().offset
        except KafkaException as error:
            answered = answered or error.args[0].code() in _IS_NOT_THERE
        else:
            if end >= 0:  # -1: the broker cannot tell
                found[log.topic, log.partition] = end
    return found if found or answered else None
