"""What the commands that move an origin decide without a server."""

from pathlib import Path

import msgspec
import pytest

from infra.failover.journal import Entry, Journal, continued
from infra.failover.reach import Reach
from infra.failover.rotation import LATE_MS, Rotation
from schemas.control import Ownership, StateDigest, UserDigest
from streams.settings import Settings
from tests.infra.command import NOWHERE, called, failed

NOW_MS = 1_700_000_000_000
EAST = Ownership(origin="east", epoch=16, owner="east", command_id="up")
PLACES = [(partition, slice_) for partition in range(2) for slice_ in range(3)]


def entry(**changes: object) -> Entry:
    made = Entry(
        command="promote", command_id="promote-1", origin="east", region="west", ended_epoch=16,
        epoch=33, reason=None, step="decided",
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def decided(before: Entry | None, current: Ownership = EAST) -> Entry:
    return continued(before, current, command="promote", region="west", epoch=33, reason="a reason")


@pytest.mark.parametrize("step", ["decided", "written"])
def test_a_command_that_was_killed_keeps_its_id(step: str) -> None:
    again = decided(entry(step=step))
    assert again == entry(reason="a reason")


@pytest.mark.parametrize(
    "before",
    [
        None,
        entry(step="done"),
        entry(command="failback"),
        entry(region="north"),
        entry(ended_epoch=1, epoch=17),
    ],
)
def test_what_is_another_command_or_past_is_not_gone_on_with(before: Entry | None) -> None:
    made = decided(before)
    assert made.command_id.startswith("promote-")
    assert made.command_id != "promote-1"
    assert (made.ended_epoch, made.step) == (16, "decided")


def test_a_journal_is_whole_or_not_there(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "east")
    assert journal.read() is None
    journal.write(entry())
    written = journal.step(entry(), "done")
    assert Journal(tmp_path, "east").read() == written == entry(step="done")
    assert Journal(tmp_path, "west").read() is None
    assert [file.name for file in journal.file.parent.iterdir()] == ["east.json"]
    for damaged in (b"", b'{"command": "promote"', b"[]"):
        journal.file.write_bytes(damaged)
        assert journal.read() is None


def listed(region: str, place: tuple[int, int], digest: str = "a", **folded_to: int) -> StateDigest:
    partition, slice_ = place
    user = UserDigest(user=f"user-{place}", digest=digest, newest_ms=1)
    folded = folded_to or {"east": NOW_MS}
    return StateDigest(
        region=region, partition=partition, slice=slice_, folded_to=folded, users=[user]
    )


def rotation(since_ms: int = NOW_MS) -> Rotation:
    return Rotation("east", "west", 2, 3, since_ms)


def test_a_rotation_is_full_when_every_slice_was_compared() -> None:
    found = rotation()
    for place in PLACES:
        assert found.users_differing is None
        found.add(listed("east", place), NOW_MS)
        found.add(listed("west", place), NOW_MS)
    assert (found.missing, found.users_differing) == (0, 0)
    found.add(listed("west", PLACES[0], "b"), NOW_MS + 1)
    found.add(listed("east", PLACES[0]), NOW_MS + 1)
    assert found.users_differing == 1
    found.add(listed("west", PLACES[0]), NOW_MS + 2)
    found.add(listed("east", PLACES[0]), NOW_MS + 2)
    assert found.users_differing == 0, "a join has mended it"


def test_lists_of_before_the_epoch_do_not_count() -> None:
    found = rotation(since_ms=NOW_MS + 1)
    for place in PLACES:
        for region in ("east", "west"):
            found.add(listed(region, place), NOW_MS)
    assert found.missing == len(PLACES)


def test_a_list_of_a_region_that_is_far_behind_does_not_count() -> None:
    """Whoever was active since then was not compared."""
    found = rotation()
    late_ms = NOW_MS + LATE_MS + 1
    for place in PLACES:
        found.add(listed("east", place, east=NOW_MS), late_ms)
        found.add(listed("west", place, east=late_ms), late_ms)
    assert found.missing == len(PLACES)
    for place in PLACES:
        found.add(listed("east", place, east=NOW_MS + 1), late_ms)
        found.add(listed("west", place, east=late_ms), late_ms)
    assert found.missing == 0


def test_an_origin_where_nothing_happens_holds_nothing_up() -> None:
    found = rotation()
    for place in PLACES:
        for region in ("east", "west"):
            found.add(listed(region, place, east=5, west=NOW_MS), NOW_MS + 10 * LATE_MS)
    assert found.missing == 0


def test_lists_of_others_and_of_other_slices_are_left_out() -> None:
    found = rotation()
    for place in [*PLACES, (2, 0), (0, 3)]:
        found.add(listed("east", place), NOW_MS)
        found.add(listed("north", place), NOW_MS)
    assert found.missing == len(PLACES)


def test_a_peer_is_asked_only_where_somebody_says_where_it_is(tmp_path: Path) -> None:
    here = Settings(region="west", peers=("east", "north"), kafka="127.0.0.1:1")
    reach = Reach(here, {"east": "127.0.0.1:2"}, tmp_path)
    east = reach.of("east")
    assert east is not None
    assert (east.region, east.kafka, east.peers) == ("east", "127.0.0.1:2", ("west", "north"))
    assert reach.of("north") is None
    assert not reach.answers("east")
    assert reach.asked("east", lambda settings: settings.region) is None


CALLS = [["promote", "east"], ["demote", "east", "--to", "west"], ["failback", "east"]]


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
def test_without_a_cluster_a_command_fails_in_one_line(call: list[str], tmp_path: Path) -> None:
    line = failed(tmp_path, "region", *call, **NOWHERE, TIDEMILL_PEERS="west")
    assert "Kafka at 127.0.0.1:1 does not answer" in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (["promote"], "Missing argument"),
        (["promote", "east", "--force", " "], "say why"),
        (["promote", "east", "--peer", "north=1:1"], "none of the peers of east, which are west"),
        (["promote", "east", "--peer", "west"], "is not NAME=HOST:PORT"),
        (["demote", "east", "--to", "east"], "east is no peer of east"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(call: list[str], says: str, tmp_path: Path) -> None:
    answer = called(tmp_path, "region", *call, **NOWHERE, TIDEMILL_PEERS="west")
    assert answer.exit_code == 2
    assert says in " ".join(answer.stderr.split())


def test_a_command_for_another_region_than_the_settings_say_does_nothing(tmp_path: Path) -> None:
    line = failed(tmp_path, "region", "promote", "east", "--region", "west", **NOWHERE)
    assert "TIDEMILL_REGION says east, and the command is for west" in line
