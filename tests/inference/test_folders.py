"""A folder appears whole or not at all."""

import pytest

from inference.folders import drafted, locked, publish, write_file


def test_what_is_published_is_whole_and_readable_by_others(tmp_path):
    with locked(tmp_path), drafted(tmp_path) as draft:
        (draft / "a").write_text("1")
        assert not (tmp_path / "folder").exists()
        publish(draft, tmp_path / "folder")
    assert (tmp_path / "folder" / "a").read_text() == "1"
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o755


def test_a_failure_leaves_nothing(tmp_path):
    def write_half():
        with locked(tmp_path), drafted(tmp_path) as draft:
            (draft / "a").write_text("1")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_what_a_killed_writer_left_is_removed(tmp_path):
    (tmp_path / ".writing-x").mkdir()
    (tmp_path / ".writing-x" / "a").write_text("1")
    with locked(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_a_folder_that_is_there_is_never_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").write_text("old")
    with locked(tmp_path), drafted(tmp_path) as draft:
        (draft / "a").write_text("new")
        with pytest.raises(OSError, match="not empty"):
            publish(draft, tmp_path / "folder")
    assert (tmp_path / "folder" / "a").read_text() == "old"


def test_a_file_is_replaced_at_once(tmp_path):
    write_file(tmp_path / "a", b"old")
    with (tmp_path / "a").open("rb") as reader:
        write_file(tmp_path / "a", b"new")
        assert reader.read() == b"old"
    assert (tmp_path / "a").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
