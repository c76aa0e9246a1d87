"""The Prometheus configuration as promtool, of the installed Prometheus, sees it."""

import subprocess

from infra.local.install import packages
from infra.prometheus.config import render


def test_promtool_accepts_it(tools, tmp_path) -> None:
    targets = tmp_path / "targets.json"
    targets.write_text('[{"targets": ["127.0.0.1:9100"], "labels": {"region": "east"}}]')
    config = tmp_path / "prometheus.yml"
    config.write_text(render(targets, triton=["127.0.0.1:8002"], clickhouse=["127.0.0.1:9363"]))
    checked = subprocess.run(
        [packages.program(tools, "usr/bin/promtool"), "check", "config", str(config)],
        env=packages.environment(tools),
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    assert "SUCCESS" in checked.stdout + checked.stderr
