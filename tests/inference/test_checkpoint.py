"""A run that was stopped anywhere goes on as if it had not been; what is damaged is refused."""

import resource

import msgspec
import pytest
import torch

from inference.errors import CheckpointError
from inference.training.checkpoint import HEAD, Head
from inference.training.progress import Epoch, Resumed, Saved
from tests.inference.circles import fit


class StoppedError(Exception):
    """What stops a run in the middle."""


def stop_at(wanted):
    def report(said):
        if said == wanted:
            raise StoppedError

    return report


def curve(epochs):
    return [(epoch.number, epoch.loss, epoch.metric) for epoch in epochs]


def whole(path):
    """The one checkpoint that is there, and nothing half-written beside it."""
    entries = [entry for entry in path.iterdir() if entry.name != ".lock"]
    assert len(entries) == 1, entries
    return entries[0]


# An epoch has five steps, so a checkpoint after every two falls inside of one, too.
@pytest.mark.parametrize("stopped", [Saved(epochs=2, steps=0), Saved(epochs=1, steps=4)])
def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path, stopped):
    path, said = tmp_path / "some" / "run", []
    with pytest.raises(StoppedError):
        fit(path, every=2, report=stop_at(stopped))
    resumed, epochs = fit(path, every=2, report=said.append)
    straight, others = fit(every=2)
    assert Resumed(epochs=stopped.epochs, steps=stopped.steps) in said
    assert [one.number for one in said if isinstance(one, Epoch)] == list(
        range(stopped.epochs + 1, 5)
    )
    assert curve(epochs) == curve(others)
    for name, table in straight.state_dict().items():
        assert torch.equal(table, resumed.state_dict()[name])
    assert whole(path).name == "000004-000000000"


def test_it_says_what_it_is_of(tmp_path):
    _, epochs = fit(tmp_path, seed=3, data="films")
    head = msgspec.json.decode((whole(tmp_path) / HEAD).read_bytes(), type=Head)
    assert (head.run["data"], head.run["seed"]) == ("films", "3")
    assert len(head.run["code"]) == 12
    assert head.metric == max(epoch.metric for epoch in epochs)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_one_that_was_cut_off_is_refused_whichever_file_it_is(tmp_path, share):
    fit(tmp_path, epochs=1)
    files = sorted(whole(tmp_path).iterdir())
    assert len(files) == 3
    for file in files:
        content = file.read_bytes()
        file.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(CheckpointError, match=r"000001-000000000: it is no whole checkpoint"):
            fit(tmp_path, epochs=1)
        file.write_bytes(content)


def test_one_with_a_changed_byte_or_without_a_file_is_refused(tmp_path):
    fit(tmp_path, epochs=1)
    (file,) = whole(tmp_path).glob("*.distcp")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"distcp was cut off or changed"):
        fit(tmp_path, epochs=1)
    file.unlink()
    with pytest.raises(CheckpointError, match="it is no whole checkpoint"):
        fit(tmp_path, epochs=1)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"seed": 1}, "its seed is 0, this run's is 1"),
        ({"data": "else"}, "its data is some, this run's is else"),
        ({"style": "hstu"}, "its settings is "),
    ],
)
def test_one_of_another_run_is_refused(tmp_path, other, said):
    fit(tmp_path, epochs=1)
    with pytest.raises(CheckpointError, match=said):
        fit(tmp_path, **({"epochs": 1} | other))


def test_a_disk_that_fills_leaves_the_one_before_whole(tmp_path):
    # A limit on files is met as a full disk is: a write that the system refuses.
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(said):
        if said == Saved(epochs=2, steps=0):
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))

    try:
        with pytest.raises(CheckpointError, match=r"could not be written .*File too large"):
            fit(tmp_path, report=fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert whole(tmp_path).name == "000002-000000000"
    said = []
    _, epochs = fit(tmp_path, report=said.append)
    assert Resumed(epochs=2, steps=0) in said
    assert curve(epochs) == curve(fit()[1])


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="a checkpoint cannot be written there"):
        fit(tmp_path / "file" / "run")
