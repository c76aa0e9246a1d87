"""Transactions that a broker decided and never ended: found behind the fence, and ended.

A coordinator that died between the decision of a transaction and the markers that end it writes
them when it is back. Kafka 4.3 leaves out those whose partition has no leader at that moment, as
every partition of a cluster that comes back as a whole (decision 32). The fence then returns, and
the records lie in the log undecided: read_committed readers stop before them, until the next
transaction of the same producer ends there and decides them along with its own. Until then a
worker would read that their asks have no answer; from then on each would have two.

Called by the checkpoint while it opens a slot, between the fence and the first look at a log.
"""

import logging
import time
from collections.abc import Sequence
from contextlib import closing

from confluent_kafka import IsolationLevel, Message, Producer, TopicPartition
from confluent_kafka.admin import OffsetSpec

from schemas.topics import RECOMMENDATIONS, STATE_CHANGELOG
from streams.lane import clients
from streams.lane.contract import Produced
from streams.lane.errors import DeadlineError
from streams.lane.writing import RETRY_S, produce, until
from streams.settings import Settings

log = logging.getLogger(__name__)

_ANSWER_S = 10.0


def end(settings: Settings, producer: Producer, partition: int, deadline: float) -> None:
    """Leave nothing undecided in what this producer alone writes of a partition.

    In the changelog it is committed, by its last record once more: a worker may have been told so
    and hold it in its store. States and positions say what the input says, so they are right even
    if the decision was to abort. Recommendations are aborted: nobody has seen them, and whose ask
    has no other answer is due. A crash between any two steps leaves what the next opening ends.
    Raises DeadlineError, KafkaException.
    """
    changelog = TopicPartition(STATE_CHANGELOG.name, partition)
    recommendations = TopicPartition(RECOMMENDATIONS.name, partition)
    ends = _ends(settings, changelog, recommendations)
    if states := _undecided(settings, changelog, *ends[changelog]):
        _say(states)
        last = states[-1]
        again = Produced(changelog.topic, last.key(), last.value(), partition=partition)
        producer.begin_transaction()
        produce(producer, [again], deadline)
        until(deadline, f"commit of {_named(changelog)}", producer.commit_transaction)
        _await_end(settings, changelog, deadline)
    if answers := _undecided(settings, recommendations, *ends[recommendations]):
        _say(answers)
        nothing = Produced(recommendations.topic, None, None, partition=partition)
        producer.begin_transaction()
        produce(producer, [nothing], deadline)
        # Only what was sent makes its partition a part of the transaction.
        while producer.flush(RETRY_S):
            _check(deadline, f"abort of {_named(recommendations)}")
        until(deadline, f"abort of {_named(recommendations)}", producer.abort_transaction)
        _await_end(settings, recommendations, deadline)


def _undecided(
    settings: Settings, part: TopicPartition, begin: int, behind: int
) -> Sequence[Message]:
    """The records of the partition that are neither committed nor aborted."""
    if begin >= behind:
        return ()
    uncommitted = clients.catch_up_reader(settings, "read_uncommitted")
    with closing(uncommitted) as reader:
        tail = clients.read_to_end(reader, [TopicPartition(part.topic, part.partition, begin)])
        return list(clients.before(tail, behind))


def _ends(settings: Settings, *parts: TopicPartition) -> dict[TopicPartition, tuple[int, int]]:
    """Of each: up to where all is decided, and where the log ends."""

    def ends() -> dict[TopicPartition, tuple[int, int]]:
        # A client of its own: librdkafka goes on asking with the leader epoch that it knew first.
        # Connected first: a question before that is asked again after a second or three.
        admin = clients.administrator(settings)
        admin.list_topics(parts[0].topic, timeout=_ANSWER_S)
        decided, written = [
            admin.list_offsets(
                {part: OffsetSpec.latest() for part in parts},
                isolation_level=level,
                request_timeout=_ANSWER_S,
            )
            for level in (IsolationLevel.READ_COMMITTED, IsolationLevel.READ_UNCOMMITTED)
        ]
        return {
            part: (decided[part].result().offset, written[part].result().offset) for part in parts
        }

    return clients.again(ends)


def _await_end(settings: Settings, part: TopicPartition, deadline: float) -> None:
    """A transaction's marker is written behind the call that ends it."""
    while True:
        decided, written = _ends(settings, part)[part]
        if decided >= written:
            return
        _check(deadline, f"the end of what hung in {_named(part)}")
        time.sleep(RETRY_S)


def _check(deadline: float, what: str) -> None:
    if time.monotonic() > deadline:
        raise DeadlineError(f"{what} did not come in time; is Kafka up?")


def _say(hanging: Sequence[Message]) -> None:
    first, last = hanging[0], hanging[-1]
    log.warning(
        "%s-%d: the broker left the transaction from offset %d to %d without an end; it is ended"
        " now, and asks that it answered are due",
        first.topic(), first.partition(), first.offset(), last.offset(),
    )  # fmt: skip


def _named(part: TopicPartition) -> str:
    return f"{part.topic}-{part.partition}"
