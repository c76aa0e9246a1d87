"""What a worker says of the origins for which it publishes, and for which not."""

import logging

import pytest

from schemas.control import Ownership
from streams.settings import Settings
from streams.stages.known import Known
from streams.topology import RECOMMEND
from tests.streams.control_copies import copy_of

NOBODY = (
    "origin east has no valid record on region-ownership: its events are folded and nothing is"
    " published for it; `tidemill up` writes the first record"
)


def test_without_a_record_a_worker_says_that_it_publishes_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    known = Known(RECOMMEND, Settings(region="east", peers=("west",)))
    known.ownerships.apply(copy_of(owned("west", 17, "west"), key="west"))
    known.tell_gates()
    assert told(caplog) == [
        ("WARNING", NOBODY),
        ("INFO", "west owns origin west at epoch 17"),
    ]


def test_what_changed_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    known = Known(RECOMMEND, Settings(region="east"))
    known.ownerships.apply(copy_of(owned("east", 16, "east"), key="east"))
    known.tell_gates()
    known.tell_gates()
    known.ownerships.apply(copy_of(owned("east", 33, "west"), key="east"))
    known.tell_gates()
    assert told(caplog) == [
        ("INFO", "east owns origin east at epoch 16"),
        ("INFO", "west owns origin east at epoch 33"),
    ]


def owned(origin: str, epoch: int, owner: str) -> Ownership:
    return Ownership(origin=origin, epoch=epoch, owner=owner, command_id="test")


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records]
