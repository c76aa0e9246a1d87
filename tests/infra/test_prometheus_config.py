"""The Prometheus configuration as text: whom it asks, by which job name, how often."""

import json
from pathlib import Path

from infra.prometheus.config import TRITON_JOB, WORKERS_JOB, render


def test_workers_come_from_the_file_and_servers_by_name() -> None:
    text = render(Path("/run/targets.json"), triton=["127.0.0.1:8002"], scrape_interval_s=1)
    said = json.loads(text)
    assert said["global"]["scrape_interval"] == "1s"
    workers, triton = said["scrape_configs"]
    assert workers["job_name"] == WORKERS_JOB
    assert workers["file_sd_configs"][0]["files"] == ["/run/targets.json"]
    assert triton["job_name"] == TRITON_JOB
    assert triton["static_configs"] == [{"targets": ["127.0.0.1:8002"]}]


def test_a_server_that_is_not_there_has_no_job() -> None:
    said = json.loads(render(Path("targets.json"), clickhouse=["127.0.0.1:9363"]))
    assert [job["job_name"] for job in said["scrape_configs"]] == ["tidemill", "clickhouse"]
