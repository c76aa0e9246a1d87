"""The real servers of a benchmark: its own, in a temporary home, as `tidemill up` has them.

Stopped and removed at the end, also after Ctrl-C. Topics are the declared ones and what an engine
makes for itself; `forget` takes all but the input away, so that each run begins alike.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from infra import broker, control, topics
from infra.local import kafka, ports, supervisor, triton
from infra.local.home import Home
from infra.local.install.steps import install
from infra.local.settings import LocalSettings
from infra.local.supervisor.logs import last_lines
from schemas.topics import USER_EVENTS
from streams.settings import Settings
from tests.benchmarks.problems import BenchmarkError

_ANSWER_S = 60.0
_POLL_S = 0.05


@dataclass(frozen=True)
class Servers:
    """A running broker with the declared topics of one region that owns itself."""

    home: Home
    settings: Settings
    admin: AdminClient

    def create(self, topic: str) -> None:
        """A topic of an engine's own, with as many partitions as the input."""
        self.admin.create_topics([NewTopic(topic, self.settings.partitions)])[topic].result()
        self._until(lambda: topic in self.topics(), f"{topic} was created")

    def forget(self) -> None:
        """Delete all topics but the input and Kafka's own; then the declared ones stand anew.

        Groups stay: each run of an engine has one of its own, and a worker does not read its.
        """
        old = self.topics()
        for future in (self.admin.delete_topics(old) if old else {}).values():
            future.result()
        self._until(lambda: not self.topics(), "the topics of the run before are gone")
        declare(self.settings)

    def anew(self, partitions: int) -> "Servers":
        """All topics and groups are gone; the declared ones stand with so many partitions."""
        settings = self.settings.model_copy(update={"partitions": partitions})
        topics.recreate(settings.kafka, partitions, settings.region)
        declare(settings)
        # The client that was made before remembers the partitions that were there before.
        return replace(self, settings=settings, admin=broker.admin(settings))

    def bytes_of(self, topic: str) -> int:
        """What its log takes on the broker's disk."""
        logs = (self.home.data / "kafka").glob(f"{topic}-*/*.log")
        return sum(log.stat().st_size for log in logs)

    def cpu_s(self) -> dict[str, float]:
        """Of each server and its children, since its start. Raises BenchmarkError for one that
        ended: what is measured without it is something else.
        """
        found = {}
        for state in supervisor.states(self.home.run):
            if not state.running:
                raise BenchmarkError(f"{state.name} ended by itself: {last_lines(state.log)}")
            process = psutil.Process(state.pid)
            family = [process, *process.children(recursive=True)]
            found[state.name] = sum(sum(member.cpu_times()[:2]) for member in family)
        return found

    def topics(self) -> list[str]:
        """All but the input and Kafka's own."""
        names = self.admin.list_topics(timeout=_ANSWER_S).topics
        return [n for n in names if not n.startswith("__") and n != USER_EVENTS.name]

    def ends(self, names: list[str]) -> dict[str, int]:
        """Topic -> the sum of its partitions' ends as a read_committed reader sees them."""
        parts = [
            TopicPartition(name, number)
            for name in names
            for number in self.admin.list_topics(name, timeout=_ANSWER_S).topics[name].partitions
        ]
        return self.ends_of(parts)

    def ends_of(self, parts: list[TopicPartition]) -> dict[str, int]:
        answers = self.admin.list_offsets(
            {part: OffsetSpec.latest() for part in parts},
            isolation_level=IsolationLevel.READ_COMMITTED,
            request_timeout=_ANSWER_S,
        )
        found: dict[str, int] = {}
        for part, answer in answers.items():
            found[part.topic] = found.get(part.topic, 0) + answer.result().offset
        return found

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        ends_s = time.monotonic() + _ANSWER_S
        while not condition():
            if time.monotonic() > ends_s:
                raise BenchmarkError(f"not within {_ANSWER_S:.0f} s: {what}")
            time.sleep(_POLL_S)


def declare(settings: Settings) -> None:
    """The declared topics that are missing, and the region's ownership of itself."""
    topics.create(settings.kafka, settings.partitions, settings.region)
    ends_s = time.monotonic() + _ANSWER_S
    while True:
        try:
            control.own_first(settings)
        except KafkaException:  # a partition made a moment ago may have no leader yet
            if time.monotonic() > ends_s:
                raise
            time.sleep(_POLL_S)
        else:
            return


@contextmanager
def running(
    local: LocalSettings,
    partitions: int,
    *,
    with_triton: bool = False,
    tritons: int = 1,
    as_shipped: bool = False,
) -> Iterator[Servers]:
    """A broker of its own, and so many Tritons without a model if wanted, with the tools of
    `local`. `as_shipped`: the broker's JVM is the one of Kafka's own scripts, not a small one; it
    wants half a minute of load before anything is measured.
    """
    tools = local.place.tools
    install(tools)
    with tempfile.TemporaryDirectory(prefix="tidemill-bench-") as folder:
        home = Home(Path(folder), tools)
        chosen = _free_ports(2 + 3 * tritons)
        broker_here = kafka.Kafka(*chosen[:2], local.kafka_heap_mb)
        if as_shipped:
            broker_here = broker_here.as_shipped()
        wanted = [kafka.server(home, broker_here)]
        found: dict[str, Any] = {"kafka": broker_here.bootstrap}
        if with_triton:
            here = [
                triton.Triton(
                    *chosen[2 + 3 * n : 5 + 3 * n],
                    local.triton_python_memory_mb,
                    name="triton" if n == 0 else f"triton-{n + 1}",
                )
                for n in range(tritons)
            ]
            wanted.extend(triton.server(home, one) for one in here)
            found["triton"] = tuple(one.grpc_url for one in here)
        try:
            supervisor.start(home, wanted)
            settings = Settings(partitions=partitions, region="east", peers=(), **found)
            declare(settings)
            yield Servers(home, settings, broker.admin(settings))
        finally:
            supervisor.stop(home.run)


def _free_ports(count: int) -> list[int]:
    found: list[int] = []
    while len(found) < count:
        found.append(ports.free_port(frozenset(found)))
    return found
