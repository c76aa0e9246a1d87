"""Warnings that come in crowds: the first is said, the next tells how many were not."""

import logging

import pytest

from streams import seldom
from streams.seldom import Seldom

LOG = logging.getLogger("tests.seldom")


def test_one_of_a_kind_is_said_and_the_next_tells_of_the_others(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(seldom.time, "monotonic", lambda: clock[0])
    said = Seldom(LOG)
    for number in range(4):
        said.warn("full", "disk %d is full", number)
    said.warn("slow", "disk %d is slow", 9)
    clock[0] += seldom.EVERY_S
    said.warn("full", "disk %d is full", 5)
    clock[0] += seldom.EVERY_S
    said.warn("full", "disk %d is full", 6)
    assert caplog.messages == [
        "disk 0 is full",
        "disk 9 is slow",
        "disk 5 is full (3 more since the last time this was said)",
        "disk 6 is full",
    ]
