"""What is asked of a broker once more, and what is not."""

import pytest
from confluent_kafka import KafkaError, KafkaException

from streams.lane import clients


def refusing(code: int, times: int) -> tuple[list[int], object]:
    """A call that is refused so many times, and a list that grows with each."""
    calls: list[int] = []

    def call() -> str:
        calls.append(1)
        if len(calls) <= times:
            raise KafkaException(KafkaError(code))
        return "an answer"

    return calls, call


@pytest.mark.parametrize(
    "code",
    [
        KafkaError._TRANSPORT,
        KafkaError._UNKNOWN_PARTITION,  # of a new client whose broker is killed at once
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.NOT_COORDINATOR,  # of a group, by a broker that has just started
    ],
)
def test_what_passes_is_asked_again(code: int) -> None:
    calls, call = refusing(code, 2)
    assert clients.again(call) == "an answer"
    assert len(calls) == 3


def test_what_does_not_pass_is_raised_at_once() -> None:
    calls, call = refusing(KafkaError.TOPIC_AUTHORIZATION_FAILED, 1)
    with pytest.raises(KafkaException):
        clients.again(call)
    assert len(calls) == 1
