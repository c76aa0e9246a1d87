"""One real Prometheus on this machine; workers are added to it while it runs.

Targets stand in a file of Prometheus' own file_sd form, so starting a worker means writing its
address there (`write_targets`), never restarting Prometheus.
"""

import json
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from infra.local.home import Home
from infra.local.install import packages
from infra.local.ports import HOST
from infra.local.supervisor import Server
from infra.prometheus import rules
from infra.prometheus.config import render


@dataclass(frozen=True)
class Prometheus:
    """Where it listens, how often it asks and how long it keeps."""

    port: int
    scrape_interval_s: int = 5
    retention: str = "7d"
    ready_timeout_s: float = 60.0
    stop_timeout_s: float = 30.0

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"


class Targets(msgspec.Struct, frozen=True):
    """One entry of a file_sd file: addresses host:port that share labels."""

    targets: Sequence[str]
    labels: Mapping[str, str] = {}


def server(home: Home, prometheus: Prometheus) -> Server:
    """Prometheus, with its data in <home>/data/prometheus and targets in home.scrape_targets."""
    config = home.run / "prometheus.json"
    return Server(
        name="prometheus",
        command=(
            packages.program(home.tools, "usr/bin/prometheus"),
            f"--config.file={config}",
            f"--web.listen-address={HOST}:{prometheus.port}",
            f"--storage.tsdb.path={home.data / 'prometheus'}",
            f"--storage.tsdb.retention.time={prometheus.retention}",
            # A folder that is not there: the packages' own pages are of no use here.
            f"--web.console.templates={home.run}",
            f"--web.console.libraries={home.run}",
        ),
        env=packages.environment(home.tools),
        ports={"TIDEMILL_PROMETHEUS_PORT": prometheus.port},
        prepare=lambda: _prepare(home, prometheus, config),
        ready=lambda: answers(prometheus),
        ready_timeout_s=prometheus.ready_timeout_s,
        stop_timeout_s=prometheus.stop_timeout_s,
    )


def answers(prometheus: Prometheus) -> bool:
    """Whether it is ready and evaluates a query."""
    _get(f"{prometheus.url}/-/ready")
    query = urllib.parse.urlencode({"query": "vector(1)"})
    found = json.loads(_get(f"{prometheus.url}/api/v1/query?{query}"))
    return bool(found["status"] == "success" and found["data"]["result"])


def write_targets(home: Home, groups: Sequence[Targets]) -> None:
    """Replace what Prometheus scrapes; it reads the file again within seconds."""
    home.run.mkdir(parents=True, exist_ok=True)
    unfinished = home.scrape_targets.with_suffix(".new")
    unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(groups)))
    unfinished.replace(home.scrape_targets)


def _prepare(home: Home, prometheus: Prometheus, config: Path) -> None:
    (home.data / "prometheus").mkdir(parents=True, exist_ok=True)
    home.run.mkdir(parents=True, exist_ok=True)
    if not home.scrape_targets.exists():
        write_targets(home, [])
    alarms = home.run / "alarms.json"
    alarms.write_text(rules.render())
    text = render(
        home.scrape_targets,
        scrape_interval_s=prometheus.scrape_interval_s,
        rules_files=[alarms],
    )
    config.write_text(text)


_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""A proxy that the environment names is for other machines."""


def _get(url: str) -> bytes:
    with _DIRECT.open(url, timeout=3) as answer:
        content: bytes = answer.read()
        return content
