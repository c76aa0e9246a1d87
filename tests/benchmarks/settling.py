"""When everything that a process wrote is there for a read_committed reader.

Asked of the broker, not of the process: the ends of the topics stop moving.
"""

import time
from dataclasses import dataclass

from confluent_kafka import TopicPartition

from tests.benchmarks.problems import BenchmarkError
from tests.benchmarks.processes import Mark, Measured
from tests.benchmarks.servers import Servers

_POLL_S = 0.02
_DEADLINE_S = 300.0


@dataclass(frozen=True)
class Settled:
    """When the last output could be read, and when the last of all (changelogs too)."""

    answered: Mark
    durable: Mark


def settled(servers: Servers, process: Measured, output: str, quiet_s: float) -> Settled:
    """Returns after nothing was written for `quiet_s`. Raises BenchmarkError if that never is."""
    metadata = servers.admin.list_topics(timeout=_DEADLINE_S).topics
    parts = [
        TopicPartition(name, number)
        for name in servers.topics()
        for number in metadata[name].partitions
    ]
    answered = durable = process.mark()
    ends = servers.ends_of(parts)
    began_s = time.monotonic()
    while (now := process.mark()).at_s - durable.at_s < quiet_s:
        if now.at_s - began_s > _DEADLINE_S:
            raise BenchmarkError(f"{process.log.stem} still writes after {_DEADLINE_S:.0f} s")
        time.sleep(_POLL_S)
        seen = servers.ends_of(parts)
        if seen == ends:
            continue
        durable = process.mark()
        if seen[output] != ends[output]:
            answered = durable
        ends = seen
    return Settled(answered, durable)
