"""MirrorMaker 2 beside the cluster it writes to: one in each region, reading from all its peers.

The other direction is the peer's own MirrorMaker. Topics are named one by one, those that
`schemas.topics` declares as mirrored; they and their copies must be there before it starts, and
their configuration stays `infra.topics`' own. It always reads read_committed: an aborted
recommendation must never count as an answer. Why each setting is as it is: decision 11.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Message

from infra import broker
from infra.local import jvm
from infra.local.home import Home
from infra.local.ports import HOST, is_open
from infra.local.supervisor import Server, records
from schemas.topics import TOPICS
from streams.settings import Settings

NAME = "mirror"
LARGEST_BYTES = 64 * 1024 * 1024
"""A record that is larger, unpacked, stops the mirror."""
_QUIET = (
    # Every client would print some hundred settings, and the mirror has dozens of clients.
    "org.apache.kafka.clients",
    "org.apache.kafka.common",
    "org.apache.kafka.connect.runtime.ConnectorConfig",
    "org.apache.kafka.connect.runtime.SourceConnectorConfig",
    "org.apache.kafka.connect.runtime.TaskConfig",
    "org.apache.kafka.connect.runtime.distributed.DistributedConfig",
    "org.apache.kafka.connect.mirror.MirrorSourceConfig",
    "org.apache.kafka.connect.mirror.MirrorSourceTaskConfig",
    "org.apache.kafka.connect.mirror.MirrorHeartbeatConfig",
    "org.apache.kafka.connect.mirror.MirrorCheckpointConfig",
)
_CONNECTOR = "status-connector-MirrorSourceConnector"
_TASK = "status-task-MirrorSourceConnector-"
_KEPT = tuple(
    f"status-{what}-Mirror{kind}Connector"
    for what in ("connector", "task")
    for kind in ("Source", "Heartbeat")
)
"""The checkpoint connector is turned off, and says that it failed."""
_CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Mirror:
    """From each of `peers` (region -> bootstrap servers) into `region`, whose cluster is `kafka`.

    `port` is for MirrorMakers of one region among themselves; exactly-once mirroring needs it.
    """

    region: str
    kafka: str
    peers: Mapping[str, str]
    port: int
    heap_mb: int = 384
    ready_timeout_s: float = 120.0
    stop_timeout_s: float = 30.0


def server(home: Home, mirror: Mirror) -> Server:
    """It keeps nothing on disk: its positions are in the cluster that it writes to."""
    properties = home.run / "mirror.properties"
    return Server(
        name=NAME,
        command=(
            *(sys.executable, "-m", "infra.keep_mirror", mirror.kafka),
            # A part of the description: where a peer has moved, the mirror is replaced.
            json.dumps(dict(sorted(mirror.peers.items()))),
            *jvm.command(home.tools, mirror.heap_mb, program="mirror", quiet=_QUIET),
            "org.apache.kafka.connect.mirror.MirrorMaker",
            str(properties),
            # The file names every region's cluster; only into this one is written.
            "--clusters",
            mirror.region,
        ),
        env={**jvm.ENVIRONMENT, "PYTHONPATH": str(_CHECKOUT)},
        ports={"TIDEMILL_MIRROR_PORT": mirror.port},
        prepare=lambda: _prepare(home, mirror, properties),
        ready=lambda: answers(home, mirror),
        ready_timeout_s=mirror.ready_timeout_s,
        stop_timeout_s=mirror.stop_timeout_s,
    )


def answers(home: Home, mirror: Mirror) -> bool:
    """Whether this very process copies from every peer, as it tells the cluster it writes to."""
    record = records.read(home.run, NAME)
    if record is None or not is_open(mirror.port):
        return False
    return all(
        _copies(mirror.kafka, peer, round(record.created_at_s * 1000)) for peer in mirror.peers
    )


def failed(kafka: str, peers: Iterable[str], since_ms: int) -> list[str]:
    """Connectors and tasks that have said since then that they failed; nothing starts them again
    but a new process. Raises BrokerError, KafkaException, LaneError.
    """
    return [
        f"{key.removeprefix('status-')} of {peer}"
        for peer in peers
        for key, state in _said(kafka, peer, since_ms).items()
        if key.startswith(_KEPT) and state == "FAILED"
    ]


def _copies(kafka: str, peer: str, since_ms: int) -> bool:
    """Whether the connector of a peer and all its tasks have said since then that they run. Raises
    BrokerError where nobody can be asked.
    """
    said = _said(kafka, peer, since_ms)
    states = {key: state for key, state in said.items() if key.startswith((_CONNECTOR, _TASK))}
    are_tasks = any(key.startswith(_TASK) for key in states)
    return are_tasks and all(state == "RUNNING" for state in states.values())


def _said(kafka: str, peer: str, since_ms: int) -> dict[str, str]:
    """Key of Connect's status topic -> state, of what there is.

    What an earlier process said stays in the topic, also where SIGKILL ended it. The topic is there
    as soon as the first MirrorMaker was.
    """
    said: dict[str, str | None] = {}
    for message in broker.read_whole(Settings(kafka=kafka), [f"mm2-status.{peer}.internal"]):
        if message.timestamp()[1] >= since_ms:
            said[(message.key() or b"").decode()] = _state(message)
    return {key: state for key, state in said.items() if state is not None}


def _state(message: Message) -> str | None:
    """Of a record of Kafka Connect's status topic; a task that is gone has none."""
    state: str | None = json.loads(message.value() or b"{}").get("state")
    return state


def properties_text(mirror: Mirror) -> str:
    """mm2.properties. What has a cluster's name before it holds for that cluster alone."""
    here = mirror.region
    settings = {
        "clusters": ", ".join((here, *mirror.peers)),
        # At the top and at each cluster: either alone looks into every jar, which takes memory.
        "plugin.discovery": "service_load",
        "dedicated.mode.enable.internal.rest": "true",
        "listeners": f"http://{HOST}:{mirror.port}",
        "replication.policy.class": "org.apache.kafka.connect.mirror.DefaultReplicationPolicy",
        "emit.heartbeats.enabled": "true",
        "emit.heartbeats.interval.seconds": "1",
        # `infra.topics` owns the configuration; this would overwrite the copy's with the source's.
        "sync.topic.configs.enabled": "false",
        "sync.topic.acls.enabled": "false",
        # Nobody reads a group's mirrored offsets: a standby has a group of its own.
        "sync.group.offsets.enabled": "false",
        "emit.checkpoints.enabled": "false",
        "refresh.groups.enabled": "false",
        "refresh.topics.interval.seconds": "5",
        # At the source, the default, it would die with the source.
        "offset-syncs.topic.location": "target",
        **dict.fromkeys(_one_replica(), "1"),
    }
    for cluster, kafka in {here: mirror.kafka, **mirror.peers}.items():
        settings |= {
            f"{cluster}.bootstrap.servers": kafka,
            f"{cluster}.plugin.discovery": "service_load",
            f"{cluster}.consumer.isolation.level": "read_committed",
            # 500 by default: mirrored later, and in larger steps.
            f"{cluster}.consumer.fetch.max.wait.ms": "20",
        }
    settings |= {f"{here}.{name}": value for name, value in _writing().items()}
    topics = ", ".join(topic.name for topic in TOPICS if topic.mirrored)
    for peer in mirror.peers:
        settings |= {f"{peer}->{here}.enabled": "true", f"{peer}->{here}.topics": topics}
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def _writing() -> dict[str, str]:
    """Of the cluster that is written to."""
    return {
        "exactly.once.source.support": "enabled",
        # A killed mirror's transaction holds back readers of the copies for so long, 60 s else.
        "producer.transaction.timeout.ms": "10000",
        # Looked at before compression, so what a client had compressed counts at its full size.
        "producer.max.request.size": str(LARGEST_BYTES),
        "producer.buffer.memory": str(LARGEST_BYTES),
        "producer.compression.type": "zstd",
        "producer.linger.ms": "0",
        # A mirror that comes back takes over at once; others of its region are not waited for.
        "scheduled.rebalance.max.delay.ms": "0",
        "offset.storage.partitions": "1",
        "status.storage.partitions": "1",
        **dict.fromkeys(
            (f"{kept}.storage.replication.factor" for kept in ("config", "offset", "status")), "1"
        ),
    }


def _one_replica() -> tuple[str, ...]:
    """One broker can keep one copy."""
    return (
        "replication.factor",
        "checkpoints.topic.replication.factor",
        "heartbeats.topic.replication.factor",
        "offset-syncs.topic.replication.factor",
    )


def _prepare(home: Home, mirror: Mirror, properties: Path) -> None:
    home.run.mkdir(parents=True, exist_ok=True)
    properties.write_text(properties_text(mirror))
