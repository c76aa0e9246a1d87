"""The worker processes of a region on this machine, as `infra.supervise` keeps them running.

Each has a metrics port and a folder for its state of its own, the same from `up` to `down`, so that
a repeated `up` leaves a running worker alone. Called by `infra.starting` and `infra.status`.
"""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec
from confluent_kafka import ConsumerGroupState, KafkaException
from pydantic_settings import BaseSettings

from infra import broker
from infra.local import ports, supervisor
from infra.local.home import Home
from infra.local.problems import NotReadyError
from infra.local.settings import LocalSettings
from infra.probing.settings import ProbingSettings
from infra.supervise import wanted
from infra.supervise.probe import Probe
from infra.supervise.wanted import Worker
from streams.settings import Settings
from streams.topology import RECOMMEND, StageName

METRICS_PORT = "TIDEMILL_METRICS_PORT"
STATE_DIR = "TIDEMILL_STATE_DIR"
INSTANCE = "TIDEMILL_INSTANCE"
REPLICA = "TIDEMILL_ARCHIVE_REPLICA"
WATCHER = "standby"
"""The process that tells a region's readiness (infra/watch_standby.py); no stage of the graph."""
PROBER = "prober"
"""The one that looks at the peers (infra/probing)."""
_CHECKOUT = Path(__file__).resolve().parents[1]
_POLL_S = 0.2


def names(recommend: int, clickhouses: int = 1) -> dict[str, StageName]:
    """The processes of a region with so many recommend workers, and ClickHouses to fill."""
    found: dict[str, StageName] = {f"recommend-{n}": "recommend" for n in range(1, recommend + 1)}
    archives: dict[str, StageName] = {
        _archive(replica): "archive" for replica in range(1, clickhouses + 1)
    }
    return {**found, **archives, "catalogue": "catalogue"}


def _archive(replica: int) -> str:
    return "archive" if replica == 1 else f"archive-{replica}"


def replica_of(process: str) -> int:
    """Which ClickHouse an archive worker fills, from 1."""
    number = process.rpartition("-")[2]
    return int(number) if number.isdecimal() else 1


def stage_of(process: str) -> StageName | None:
    """The stage that a supervised process runs; None for a server."""
    stages: tuple[StageName, ...] = ("recommend", "archive", "catalogue")
    return next((s for s in stages if process == s or process.startswith(f"{s}-")), None)


def metrics_ports(home: Home) -> dict[str, int]:
    """The metrics port of each running worker, by the name of its process."""
    return {
        state.name: state.ports[METRICS_PORT]
        for state in supervisor.states(home.run)
        if state.running and METRICS_PORT in state.ports
    }


def prober_address(home: Home) -> str | None:
    """Where the region's own prober is asked, also while it is started again; None: it has none."""
    found = wanted.read(home)
    for worker in () if found is None else found.workers:
        if worker.name == PROBER:
            return f"{ports.HOST}:{worker.ports[METRICS_PORT]}"
    return None


def recommend_count(home: Home) -> int:
    """How many recommend workers the last `up` wanted, 0 where `down` came after it."""
    found = wanted.read(home)
    names = [] if found is None else [worker.name for worker in found.workers]
    return sum(stage_of(name) == "recommend" for name in names)


def described(
    local: LocalSettings,
    stages: Mapping[str, StageName],
    environment: Mapping[str, str],
    *,
    peers: Mapping[str, str] | None = None,
) -> list[Worker]:
    """What is wanted of each, by its name. `environment` says where the servers are; `peers`, the
    Kafka of each of them, adds the watcher and the prober of the region.
    """
    home = local.place
    chosen = _known_ports(home)
    # All settings are part of the description: a worker that has others is replaced.
    given = _given(Settings)
    programs: dict[str, tuple[str, ...]] = {
        name: ("streams.worker", stage) for name, stage in stages.items()
    }
    if peers:
        places = (f"{name}={kafka}" for name, kafka in peers.items())
        programs |= {WATCHER: ("infra.watch_standby",), PROBER: ("infra.probing", *places)}
    found = []
    for name, program in programs.items():
        if name not in chosen:
            chosen[name] = ports.free_port(frozenset(chosen.values()))
        own = _own(name, given, home) | {METRICS_PORT: str(chosen[name])}
        if name == PROBER:
            own |= _given(ProbingSettings)
        found.append(
            Worker(
                name=name,
                command=(sys.executable, "-m", *program),
                env={**given, **environment, **own},
                ports={METRICS_PORT: chosen[name]},
                probe=_probe(stages.get(name), chosen[name]),
                stop_timeout_s=local.stop_timeout_s,
            )
        )
    return found


def _given(settings: type[BaseSettings]) -> dict[str, str]:
    """What the environment says of these."""
    names = (f"TIDEMILL_{name.upper()}" for name in settings.model_fields)
    return {name: os.environ[name] for name in names if name in os.environ}


def _own(name: str, given: Mapping[str, str], home: Home) -> dict[str, str]:
    """What no two workers may share, where it is given for all of them."""
    own = {"PYTHONPATH": str(_CHECKOUT), STATE_DIR: str(home.state(name))}
    if state_dir := given.get(STATE_DIR):
        own[STATE_DIR] = str(Path(state_dir).resolve() / name)
    if stage_of(name) == "archive":
        own[REPLICA] = str(replica_of(name))
    if instance := given.get(INSTANCE):
        own[INSTANCE] = f"{instance}-{name}"
    return own


def answers(stage: StageName, port: int) -> bool:
    """Whether a worker's metrics tell that it works, though a partition that came to it may not be
    open yet; raises OSError where nobody answers.
    """
    return msgspec.structs.replace(_probe(stage, port), phases=None).answer() == "yes"


def exposition(stage: StageName, port: int) -> str:
    """All that a worker's metrics tell; raises OSError where nobody answers."""
    return _probe(stage, port).exposition()


def wait_until_assigned(settings: Settings, deadline_s: float) -> None:
    """Returns when every partition of `user-events` has a worker. Raises NotReadyError."""
    ends_s = time.monotonic() + deadline_s
    while (found := held(settings)) != settings.partitions:
        if time.monotonic() > ends_s:
            raise NotReadyError(
                f"the recommend workers hold {found} of {settings.partitions} partitions after "
                f"{deadline_s:.0f} s; their logs say more"
            )
        time.sleep(_POLL_S)


def held(settings: Settings) -> int:
    """How many partitions of `user-events` a living worker holds."""
    admin = broker.admin(settings)
    asked = admin.describe_consumer_groups([RECOMMEND.group], request_timeout=broker.ANSWER_S)
    try:
        group = asked[RECOMMEND.group].result()
    except KafkaException:
        return 0  # a group that was never there, or whose coordinator is just starting
    if group.state != ConsumerGroupState.STABLE:
        return 0
    return sum(len(member.assignment.topic_partitions) for member in group.members)


def _probe(stage: StageName | None, port: int) -> Probe:
    """A recommend worker that owns something has read who owns what, the releases and the items."""
    url = f"http://{ports.HOST}:{port}/metrics"
    return (
        Probe(url, "tidemill_owned_epoch", "tidemill_phase") if stage == "recommend" else Probe(url)
    )


def _known_ports(home: Home) -> dict[str, int]:
    """Those of the last `up`, but for one that somebody took while its worker did not run."""
    running = metrics_ports(home)
    before = wanted.read(home)
    known = {} if before is None else {worker.name: worker.ports for worker in before.workers}
    free = {
        name: chosen[METRICS_PORT]
        for name, chosen in known.items()
        if METRICS_PORT in chosen and ports.is_free(chosen[METRICS_PORT])
    }
    return {**free, **running}
