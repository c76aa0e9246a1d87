"""The newest records of a topic's partitions, read backwards: all of them together, by one reader.

A switch is counted in seconds, and a reader for each partition costs more than what it reads.
Called by `infra.lag` and `infra.failover`.
"""

from collections.abc import Callable
from contextlib import closing

from confluent_kafka import Message, TopicPartition

from infra import broker
from streams.lane import clients
from streams.settings import Settings

_FIRST_STEP = 256
"""Records of each partition: those of the last batches."""


def look_back(
    settings: Settings, topic: str, is_enough: Callable[[int, list[Message]], bool]
) -> None:
    """Each partition from its end to its start, in steps that grow: `is_enough` is called with the
    partition and the committed records of a step, in order, and says whether no more are wanted.
    Raises BrokerError, KafkaException, LaneError.
    """
    broker.require(settings, [topic])
    with closing(broker.reader(settings, **clients.SOON_AT_THE_END)) as consumer:
        left = {
            number: clients.watermarks(consumer, TopicPartition(topic, number))
            for number in range(settings.partitions)
        }
        step = _FIRST_STEP
        while left := {number: log for number, log in left.items() if log[1] > log[0]}:
            begins = {number: max(start, end - step) for number, (start, end) in left.items()}
            steps: dict[int, list[Message]] = {number: [] for number in left}
            parts = [TopicPartition(topic, number, begin) for number, begin in begins.items()]
            for message in clients.read_to_end(consumer, parts):
                if message.offset() < left[message.partition()][1]:
                    steps[message.partition()].append(message)
            left = {
                number: (start, begins[number])
                for number, (start, _) in left.items()
                if not is_enough(number, steps[number])
            }
            step *= 4
