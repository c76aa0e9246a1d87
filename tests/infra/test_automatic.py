"""What is tried when a region is lost, and that nobody who cannot take over ends the prober."""

from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from infra.failover.automatic import Automatic
from infra.probing.report import Report
from infra.probing.verdict import Verdict
from streams.settings import Settings

LOST = Verdict(region="east", state="lost", says="east is lost", why_not_lost=())
KAFKA = dict.fromkeys(("east", "north", "west"), "127.0.0.1:1")


def refused() -> float:
    labels = {"region": "east", "outcome": "refused"}
    return REGISTRY.get_sample_value("tidemill_prober_promotions_total", labels) or 0


def test_each_of_the_others_is_tried_by_its_number_and_says_why_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reports = {
        name: Report(observer=name, region_number=number, partitions=1)
        for name, number in (("west", 2), ("north", 1))
    }
    before = refused()
    Automatic(Settings(), KAFKA, tmp_path).take_over(LOST, reports, lambda _: None)
    said = [record.getMessage() for record in caplog.records]
    assert [line.split(":")[0] for line in said] == [
        "north does not take over from east",
        "west does not take over from east",
    ]
    assert all("Kafka at 127.0.0.1:1 does not answer" in line for line in said)
    assert refused() == before + 2
    assert not list(tmp_path.iterdir())
