"""prometheus.yml as text: which processes are asked for their metrics, and how often.

Workers come and go, so their addresses stand in a file of Prometheus' file_sd form
(`[{"targets": ["host:port"], "labels": {...}}]`) that whoever starts a worker writes; Prometheus
reads it again by itself. Servers that stay are named here. Pure: called by whoever starts
Prometheus. Dashboards and alarms select by the job names below.
"""

import json
from collections.abc import Sequence
from pathlib import Path

WORKERS_JOB = "tidemill"
TRITON_JOB = "triton"
CLICKHOUSE_JOB = "clickhouse"

Configuration = dict[str, object]


def render(
    targets_file: Path,
    *,
    triton: Sequence[str] = (),
    clickhouse: Sequence[str] = (),
    scrape_interval_s: int = 5,
    rules_files: Sequence[Path] = (),
) -> str:
    """The configuration; JSON, which is YAML too.

    `triton` are addresses host:port of its metrics, `clickhouse` of a server new enough to have
    a Prometheus endpoint (20.1). 5 s, so that a person sees a fault while looking; a worker has
    few hundred series, so that costs next to nothing.
    """
    jobs: list[Configuration] = [
        {
            "job_name": WORKERS_JOB,
            "file_sd_configs": [{"files": [str(targets_file)], "refresh_interval": "5s"}],
        }
    ]
    for name, addresses in ((TRITON_JOB, triton), (CLICKHOUSE_JOB, clickhouse)):
        if addresses:
            jobs.append({"job_name": name, "static_configs": [{"targets": list(addresses)}]})
    interval = f"{scrape_interval_s}s"
    configuration: Configuration = {
        "global": {"scrape_interval": interval, "evaluation_interval": interval},
        "rule_files": [str(path) for path in rules_files],
        "scrape_configs": jobs,
    }
    return json.dumps(configuration, indent=2) + "\n"
