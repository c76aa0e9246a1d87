"""The alarms as promtool, of the installed Prometheus, sees them: when each goes off, when not."""

import json
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from infra.local.install import packages
from infra.prometheus import rules

ORIGIN = '{origin="west"}'
READY = f"tidemill_standby_ready{ORIGIN}"
HEARD = f"tidemill_standby_heard_time_seconds{ORIGIN}"
TWICE = 'tidemill_standby_users{found="differing_twice",origin="west"}'
LOOKED = "tidemill_standby_looked_time_seconds"
LOST = 'tidemill_prober_lost{region="west"}'
REFUSED = 'tidemill_prober_promotions_total{outcome="refused",region="west"}'
PROBED = 'tidemill_prober_looked_time_seconds{observer="east",region="west"}'


def promtool(tools: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [packages.program(tools, "usr/bin/promtool"), *arguments],
        env=packages.environment(tools),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def written(tmp_path: Path) -> Path:
    file = tmp_path / "alarms.json"
    file.write_text(rules.render())
    return file


def test_promtool_accepts_them(tools: Path, written: Path) -> None:
    checked = promtool(tools, "check", "rules", str(written))
    assert checked.returncode == 0, checked.stderr
    assert f"{len(json.loads(written.read_text())['groups'][0]['rules'])} rules found" in (
        checked.stdout
    )


class Case(NamedTuple):
    """One value a minute, from minute 0 on, and whether the alarm is there at minute `at`."""

    alert: str
    series: str
    values: str
    at: int
    goes_off: bool


@pytest.mark.parametrize(
    "case",
    [
        Case("StandbyNotReady", READY, "1x3 0x20", 14, goes_off=True),
        Case("StandbyNotReady", READY, "0x3 1x20", 14, goes_off=False),
        Case("StandbyNotReady", READY, "0x3 1 0x20", 7, goes_off=False),
        Case("UsersDiffer", TWICE, "0 0 1x5", 3, goes_off=True),
        Case("UsersDiffer", TWICE, "0x10", 5, goes_off=False),
        Case("MirrorSilent", HEARD, "0+60x3 180x20", 10, goes_off=True),
        Case("MirrorSilent", HEARD, "0+60x20", 10, goes_off=False),
        Case("StandbyUnwatched", LOOKED, "0+60x3 180x20", 10, goes_off=True),
        Case("StandbyUnwatched", LOOKED, "0+60x20", 10, goes_off=False),
        Case("RegionLost", LOST, "0 0 1x5", 3, goes_off=True),
        Case("RegionLost", LOST, "1 0x5", 3, goes_off=False),
        Case("PromotionRefused", REFUSED, "0 0 12x5", 2, goes_off=True),
        Case("PromotionRefused", REFUSED, "0 12x9", 8, goes_off=False),
        Case("RegionUnwatched", PROBED, "0+60x3 180x20", 10, goes_off=True),
        Case("RegionUnwatched", PROBED, "0+60x20", 10, goes_off=False),
    ],
    ids=lambda case: f"{case.alert} {case.values}",
)
def test_an_alarm_goes_off_when_it_should(
    tools: Path, written: Path, tmp_path: Path, case: Case
) -> None:
    asked = {"eval_time": f"{case.at}m", "alertname": case.alert, "exp_alerts": []}
    test = {
        "interval": "1m",
        "input_series": [{"series": case.series, "values": case.values}],
        "alert_rule_test": [asked],
    }
    file = tmp_path / "test.json"
    file.write_text(
        json.dumps({"rule_files": [str(written)], "evaluation_interval": "1m", "tests": [test]})
    )
    found = promtool(tools, "test", "rules", str(file))
    said = found.stdout + found.stderr
    # None is expected, so promtool tells of each that there is.
    assert (found.returncode != 0) is case.goes_off, said
    assert (f'alertname="{case.alert}"' in said) is case.goes_off, said
