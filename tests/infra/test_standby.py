"""What speaks against a region that is to take an origin over."""

import dataclasses
from pathlib import Path
from typing import Any

import msgspec
import pytest

from infra.mirror_gaps import Gap
from infra.peer_lists import Sampled, Users
from infra.standby import Model, Partition, Seen, reasons
from schemas.control import Canary, Ownership, Served
from tests.infra.command import NOWHERE, document, done

RECORD = Ownership(origin="east", epoch=16, owner="east", command_id="test")
MODEL = Model(here=Served(version="3"), owner=Served(version="3"))
ALIKE = Users(peer="east", compared=9, equal=8, differing=1, differing_twice=0, such_as=[])
READY = Seen(
    region="west",
    origin="east",
    record=RECORD,
    held=8,
    of_partitions=8,
    partitions=[
        Partition(partition=0, applied=5, end=5, behind=0),
        Partition(partition=1, applied=5, end=8, behind=3),
    ],
    heard_from="east",
    heard_s=1.0,
    users=ALIKE,
    model=MODEL,
    sampled=Sampled(scored=3, failed=1),
)


def behind(*records: int) -> list[Partition]:
    return [
        Partition(partition=number, applied=5, end=5 + each, behind=each)
        for number, each in enumerate(records)
    ]


def said(**seen: Any) -> list[tuple[str, str]]:
    found = reasons(dataclasses.replace(READY, **seen))
    return [(reason.about, reason.says) for reason in found]


def test_a_standby_to_which_nothing_lacks_is_ready() -> None:
    assert not said()
    assert not said(sampled=Sampled(scored=0, failed=0)), "no ask came, so nothing is known"
    nothing = Model(here=None, owner=None)
    assert not said(model=nothing, sampled=Sampled(scored=0, failed=9)), "the fallback of both"


def test_a_region_hears_itself_and_an_owner_needs_no_sample() -> None:
    own = {"origin": "west", "heard_from": None, "heard_s": None, "users": None}
    record = msgspec.structs.replace(RECORD, origin="west", owner="west")
    cold = Sampled(scored=0, failed=9)
    assert not said(**own, record=record, sampled=cold)
    other = Model(here=Served(version="4"), owner=Served(version="3"))
    taken_over = msgspec.structs.replace(RECORD, owner="west")
    assert not said(record=taken_over, sampled=cold, model=other)


@pytest.mark.parametrize(
    ("seen", "about", "reason"),
    [
        ({"record": None}, "ownership", "no valid record says who owns it"),
        ({"held": 7}, "workers", "workers hold 7 of 8 partitions"),
        ({"heard_s": None}, "mirror", "the mirror has brought no heartbeat"),
        ({"heard_s": 31.4}, "mirror", "the mirror has brought no heartbeat for 31 s"),
        (
            {"partitions": behind(0, 1_500, 9_000)},
            "behind",
            "2 of 3 partitions are behind, partition 2 by 9000 records",
        ),
        (
            {
                "users": msgspec.structs.replace(
                    ALIKE, differing=4, differing_twice=2, such_as=["ann", "bob"]
                )
            },
            "users",
            (
                "2 users differ for good from those of east, such as ann, bob;"
                " `tidemill region join` mends it"
            ),
        ),
        (
            {"lost": [Gap(partition=1, begin=17, end=250, found_ms=1)]},
            "lost",
            (
                "events of east were gone there before the mirror brought them: records 17 to 249"
                " of partition 1; `tidemill region join` mends it, and it is over when all users"
                " were compared since and none differs"
            ),
        ),
        (
            {"model": Model(here=None, owner=Served(version="3"))},
            "model",
            "it serves no model, its owner version 3",
        ),
        (
            {
                "model": Model(
                    here=Served(version="3"),
                    owner=Served(version="3", canary=Canary(version="4", share=0.1)),
                )
            },
            "model",
            "it serves version 3, its owner version 3 and to 10% 4",
        ),
        (
            {"sampled": Sampled(scored=0, failed=7)},
            "triton",
            "Triton scored none of 7 sampled asks in time",
        ),
    ],
)
def test_one_that_is_not_says_why(seen: dict[str, Any], about: str, reason: str) -> None:
    assert said(**seen) == [(about, reason)]


def test_every_reason_is_told() -> None:
    found = said(record=None, held=0, heard_s=None, partitions=behind(5_000))
    assert [about for about, _ in found] == ["ownership", "workers", "mirror", "behind"]


def test_a_region_that_does_not_answer_is_told_as_such(tmp_path: Path) -> None:
    (found,) = document(tmp_path, "region", "status", **NOWHERE)
    assert (found["region"], found["origins"]) == ("east", [])
    assert "127.0.0.1:1 does not answer" in found["problem"]
    assert "region east does not answer" in done(tmp_path, "region", "status", **NOWHERE)
