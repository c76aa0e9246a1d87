"""Each drill in its short form: the same code as `tidemill drill`, with less of everything."""

import importlib

import pytest

from tests.drills.harness.scene import Ground

SHORT = ("kills", "deaths", "zombies", "brokers", "inputs", "disks", "archives", "backups")


@pytest.mark.parametrize("name", SHORT)
def test_drill(name: str, ground: Ground) -> None:
    module = importlib.import_module(f"tests.drills.{name}")
    report = module.run(ground, **module.SHORT)
    assert report.looked_at["answers"] > 0
    assert report.passed, (report.wrong, report.examples)


def test_lies_are_found(ground: Ground) -> None:
    controls = importlib.import_module("tests.drills.controls")
    report = controls.run(ground, **controls.SHORT)
    assert report.passed, (report.wrong, report.examples)
