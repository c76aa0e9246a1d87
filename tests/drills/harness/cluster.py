"""Real brokers: one, or three with three copies of everything, that can be killed one by one.

Built on `infra.local.kafka`'s own settings; only what several brokers and short waits need differs.
"""

import base64
import shutil
import subprocess
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil

from infra.local import jvm, kafka, ports, supervisor
from infra.local.home import Home
from infra.local.problems import LocalError
from infra.local.supervisor import Server, records

_HEAP_MB = 256
_CLEANING = {
    # A drill cannot wait 15 s for the cleaner to look.
    "log.cleaner.backoff.ms": "500",
    "log.segment.delete.delay.ms": "1000",
}
_THREE = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
    # A copy that lags is out of the way, and a leader that died is replaced, soon.
    "replica.lag.time.max.ms": "5000",
    "controller.quorum.election.timeout.ms": "1000",
    "controller.quorum.fetch.timeout.ms": "2000",
}


@dataclass
class Broker:
    home: Home
    number: int
    server: Server

    def start(self) -> None:
        supervisor.start(self.home, [self.server])

    def kill(self) -> None:
        """SIGKILL: nothing is flushed, closed or said."""
        process = self._process()
        process.kill()
        psutil.wait_procs([process], timeout=30)
        supervisor.stop(self.home.run, [self.server.name])

    def _process(self) -> psutil.Process:
        record = records.read(self.home.run, self.server.name)
        process = record.process() if record else None
        assert process is not None, f"{self.server.name} does not run"
        return process


@dataclass
class Cluster:
    """Start it before anything else, stop it behind everything."""

    home: Home
    count: int = 1
    as_shipped: bool = False
    """Brokers as Kafka's own scripts run them, and not small ones."""
    brokers: list[Broker] = field(init=False)

    def __post_init__(self) -> None:
        chosen: list[int] = []
        while len(chosen) < 2 * self.count:
            chosen.append(ports.free_port(frozenset(chosen)))
        described = [
            kafka.Kafka(port, controller, _HEAP_MB)
            for port, controller in zip(chosen[::2], chosen[1::2], strict=True)
        ]
        if self.as_shipped:
            described = [one.as_shipped() for one in described]
        cluster_id = "A" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]
        self.bootstrap = ",".join(one.bootstrap for one in described)
        self.brokers = [
            Broker(self.home, number, _server(self.home, described, number, cluster_id))
            for number in range(1, self.count + 1)
        ]

    def start(self) -> None:
        supervisor.start(self.home, [broker.server for broker in self.brokers])

    def stop(self) -> None:
        supervisor.stop(self.home.run, [broker.server.name for broker in self.brokers])


def _server(home: Home, all_: list[kafka.Kafka], number: int, cluster_id: str) -> Server:
    mine, name = all_[number - 1], f"broker-{number}"
    properties = home.run / f"{name}.properties"
    java_command = jvm.command(
        home.tools, mine.heap_mb, program="broker", quiet=kafka.QUIET, flags=mine.jvm_flags
    )
    voters = ",".join(
        f"{node}@{ports.HOST}:{one.controller_port}" for node, one in enumerate(all_, 1)
    )
    differing = {"node.id": str(number), "controller.quorum.voters": voters, **_CLEANING}
    if len(all_) > 1:
        differing |= _THREE
    return Server(
        name=name,
        command=(*java_command, "kafka.Kafka", str(properties)),
        env=jvm.ENVIRONMENT,
        ports={"kafka": mine.port, "controller": mine.controller_port},
        prepare=partial(_prepare, home, mine, name, differing, java_command, cluster_id),
        ready=partial(kafka.answers, mine),
    )


def _prepare(
    home: Home,
    mine: kafka.Kafka,
    name: str,
    differing: Mapping[str, str],
    java_command: tuple[str, ...],
    cluster_id: str,
) -> None:
    data, properties = home.data / name, home.run / f"{name}.properties"
    home.run.mkdir(parents=True, exist_ok=True)
    _write(properties, mine, data, differing)
    if (data / "meta.properties").exists():
        return
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    answer = subprocess.run(
        [*java_command, "kafka.tools.StorageTool", "format",
         "--cluster-id", cluster_id, "--config", str(properties)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if answer.returncode != 0:
        raise LocalError(f"storage of {name} cannot be made in {data}: {answer.stderr.strip()}")


def _write(path: Path, mine: kafka.Kafka, data: Path, differing: Mapping[str, str]) -> None:
    lines = kafka.properties_text(mine, data).splitlines()
    settings = dict(line.split("=", 1) for line in lines) | differing
    path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
