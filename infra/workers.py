"""The worker processes of a region on this machine, as the supervisor runs them.

Each has a metrics port of its own, kept while the process runs, so that a repeated `up` leaves a
running worker alone. Called by `infra.starting` and `infra.status`.
"""

import os
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

from confluent_kafka import ConsumerGroupState, KafkaException
from prometheus_client.parser import text_string_to_metric_families

from infra import broker
from infra.local import ports, supervisor
from infra.local.home import Home
from infra.local.problems import NotReadyError
from infra.local.settings import LocalSettings
from infra.local.supervisor import Server
from streams.settings import Settings
from streams.topology import RECOMMEND, StageName

METRICS_PORT = "TIDEMILL_METRICS_PORT"
_CHECKOUT = Path(__file__).resolve().parents[1]
_POLL_S = 0.2
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""A proxy that the environment names is for other machines."""


def names(recommend: int) -> dict[str, StageName]:
    """The processes of a region with so many recommend workers."""
    found: dict[str, StageName] = {f"recommend-{n}": "recommend" for n in range(1, recommend + 1)}
    return {**found, "archive": "archive", "catalogue": "catalogue"}


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


def servers(
    local: LocalSettings, wanted: Mapping[str, StageName], environment: Mapping[str, str]
) -> list[Server]:
    """What the supervisor must know of each. `environment` says where the servers are."""
    chosen = metrics_ports(local.place)
    # All settings are part of the description: a worker that has others is replaced.
    names = (f"TIDEMILL_{name.upper()}" for name in Settings.model_fields)
    given = {name: os.environ[name] for name in names if name in os.environ}
    described = []
    for name, stage in wanted.items():
        if name not in chosen:
            chosen[name] = ports.free_port(frozenset(chosen.values()))
        own = {METRICS_PORT: str(chosen[name]), "PYTHONPATH": str(_CHECKOUT)}
        described.append(
            Server(
                name=name,
                command=(sys.executable, "-m", "streams.worker", stage),
                env={**given, **environment, **own},
                ports={METRICS_PORT: chosen[name]},
                ready=_question(stage, chosen[name]),
                ready_timeout_s=local.ready_timeout_s,
                stop_timeout_s=local.stop_timeout_s,
            )
        )
    return described


def answers(stage: StageName, port: int) -> bool:
    """Whether a worker's metrics tell that it works; raises OSError where nobody answers.

    A recommend worker has read who owns what, the releases and the items by then.
    """
    with _DIRECT.open(f"http://{ports.HOST}:{port}/metrics", timeout=3) as answer:
        text = answer.read().decode()
    if stage != "recommend":
        return bool(text)
    families = text_string_to_metric_families(text)
    return any(family.samples for family in families if family.name == "tidemill_owned_epoch")


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


def _question(stage: StageName, port: int) -> Callable[[], bool]:
    return lambda: answers(stage, port)
