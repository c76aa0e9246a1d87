"""One real Kafka broker (KRaft, no ZooKeeper) on this machine, small enough for a laptop.

`server` describes it for the supervisor; `infra.local.servers` and the tests' fixtures call it.
"""

import base64
import shutil
import subprocess
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

from confluent_kafka.admin import AdminClient

from infra.local import jvm
from infra.local.home import Home
from infra.local.ports import HOST, is_open
from infra.local.problems import LocalError
from infra.local.supervisor import Server

_SHIPPED_HEAP_MB = 1024
QUIET = (
    # Every start would print some hundred settings.
    "org.apache.kafka.common.config",
    "kafka.server.KafkaConfig",
)


@dataclass(frozen=True)
class Kafka:
    """Where the broker listens and what it may use."""

    port: int
    controller_port: int
    heap_mb: int = 192
    ready_timeout_s: float = 120.0
    stop_timeout_s: float = 30.0
    host: str = HOST
    """What clients are told to come back to. The controller is for this broker alone."""
    jvm_flags: tuple[str, ...] = jvm.SMALL
    """`jvm.SMALL` or `jvm.AS_SHIPPED`."""

    @property
    def bootstrap(self) -> str:
        return f"{self.host}:{self.port}"

    def as_shipped(self) -> "Kafka":
        """With the JVM of Kafka's own scripts, for a load that a small one would not carry."""
        return replace(self, heap_mb=_SHIPPED_HEAP_MB, jvm_flags=jvm.AS_SHIPPED)


def server(home: Home, kafka: Kafka) -> Server:
    """The broker, with its data in <home>/data/kafka."""
    properties = home.run / "kafka.properties"
    java_command = jvm.command(
        home.tools, kafka.heap_mb, program="broker", quiet=QUIET, flags=kafka.jvm_flags
    )
    return Server(
        name="kafka",
        command=(*java_command, "kafka.Kafka", str(properties)),
        env=jvm.ENVIRONMENT,
        ports={
            "TIDEMILL_KAFKA_PORT": kafka.port,
            "TIDEMILL_KAFKA_CONTROLLER_PORT": kafka.controller_port,
        },
        prepare=lambda: _prepare(home, kafka, properties, java_command),
        ready=lambda: answers(kafka),
        ready_timeout_s=kafka.ready_timeout_s,
        stop_timeout_s=kafka.stop_timeout_s,
    )


def answers(kafka: Kafka) -> bool:
    """Whether the cluster's metadata, asked through the client port, name this broker as alive."""
    if not is_open(kafka.port, kafka.host):
        return False  # the client would wait for its whole timeout
    # log_level 0: librdkafka would tell the terminal about every refused connection.
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    metadata = admin.list_topics(timeout=2)
    return any(broker.port == kafka.port for broker in metadata.brokers.values())


def properties_text(kafka: Kafka, data: Path) -> str:
    """The broker's server.properties."""
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{HOST}:{kafka.controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{kafka.bootstrap},CONTROLLER://{HOST}:{kafka.controller_port}",
        "log.dirs": str(data),
        # `tidemill topics` creates topics; a misspelt name must not.
        "auto.create.topics.enable": "false",
        # One broker can keep one copy.
        "default.replication.factor": "1",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.num.partitions": "4",
        # A killed broker may register again only when its old session is over (9 s by default).
        "broker.session.timeout.ms": "5000",
        "broker.heartbeat.interval.ms": "1000",
        # One worker should not wait 3 s for others to join.
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        # A mirrored copy keeps its source's append time, whatever this machine's clock says.
        "log.message.timestamp.after.max.ms": str(2**63 - 1),
        "log.cleaner.dedupe.buffer.size": "4194304",
        "log.index.size.max.bytes": "1048576",
        "log.segment.delete.delay.ms": "10000",
        # Two cores: the defaults are for many.
        "num.network.threads": "2",
        "num.io.threads": "4",
        "background.threads": "4",
        "log.cleaner.threads": "1",
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def _prepare(home: Home, kafka: Kafka, properties: Path, java_command: tuple[str, ...]) -> None:
    data = home.data / "kafka"
    home.run.mkdir(parents=True, exist_ok=True)
    if not (data / "meta.properties").exists():
        _format(kafka, data, home.run / "kafka-format.properties", java_command)
    properties.write_text(properties_text(kafka, data))


def _format(kafka: Kafka, data: Path, properties: Path, java_command: tuple[str, ...]) -> None:
    """Make an empty cluster's storage beside its place, so that a half-made one is never used."""
    unfinished = data.with_name("kafka.unfinished")
    for leftover in (unfinished, data):
        shutil.rmtree(leftover, ignore_errors=True)
    unfinished.mkdir(parents=True)
    properties.write_text(properties_text(kafka, unfinished))
    # Kafka's form of a UUID; a leading '-' would read as an option.
    cluster_id = "A" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]
    answer = subprocess.run(
        [*java_command, "kafka.tools.StorageTool", "format",
         "--cluster-id", cluster_id, "--config", str(properties)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if answer.returncode != 0:
        raise LocalError(f"Kafka's storage cannot be made in {data}: {answer.stderr.strip()}")
    unfinished.replace(data)
