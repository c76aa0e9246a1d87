"""A position counts for the disk that has the rows before it, and for no other."""

import pytest

from streams.lane.errors import OtherDiskError
from streams.stages.archive.disk import Disk

ADDRESS = "127.0.0.1:9000"


def test_a_position_of_this_disk_counts_and_one_of_another_does_not() -> None:
    disk = Disk(ADDRESS)
    disk.found("one")
    assert disk.id == "one"
    assert disk.has("one")
    assert not disk.has("other")
    disk.found("one")


def test_a_position_that_names_no_disk_counts_for_any() -> None:
    """An older release committed it, or nothing was written before it."""
    disk = Disk(ADDRESS)
    assert disk.has("")
    assert disk.id == ""
    disk.found("one")
    assert disk.has("")


def test_what_was_believed_while_the_server_was_away_is_held_against_its_disk() -> None:
    right, wrong = Disk(ADDRESS), Disk(ADDRESS)
    for disk in (right, wrong):
        assert disk.has("one")
        assert disk.id == "one"
    right.found("one")
    with pytest.raises(OtherDiskError, match=ADDRESS):
        wrong.found("other")


def test_a_disk_that_changes_under_a_worker_ends_it() -> None:
    disk = Disk(ADDRESS)
    disk.found("one")
    with pytest.raises(OtherDiskError, match="from the start of the topics"):
        disk.found("other")
