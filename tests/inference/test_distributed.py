"""Two real processes under torchrun: they learn what one learns, and one of them may be killed."""

import resource

import psutil
import pytest

from inference.errors import CheckpointError
from inference.evaluation.protocols import leave_one_out
from inference.models.requests import request_of
from inference.training.epochs import fit_transformer
from inference.training.judging import Judge
from inference.training.launch import fit_with_processes
from inference.training.progress import Ended, Epoch, Resumed, Saved, Started
from inference.training.sequences import Sequences
from inference.training.sources import fit_sources
from tests.inference.circles import circle, settings_of
from tests.inference.logs import chains

EVERY = 4
EPOCHS = 4


def work(**of_run):
    """Without dropout all chance is the same, however many share the work. The last batch has one
    row, so one process has nothing to learn from it.
    """
    held = leave_one_out(chains(), "validation")
    blend = fit_sources(held.fit)
    request = request_of(held.log, held.histories[:20], 10)
    right = held.log.item_hashes[[target[0] for target in held.targets[:20]]]
    learnt: Sequences = circle(users=41)
    settings = settings_of(dropout=0.0, rate=0.005, every=EVERY, loss="sampled", **of_run)
    return learnt, len(blend.vocabulary), Judge.of(blend, ((request, right),)), settings


def second_process():
    """The one that torchrun calls 1, among the processes of this test."""
    for process in psutil.Process().children(recursive=True):
        try:
            if process.environ().get("RANK") == "1":
                return process
        except psutil.Error:
            continue
    raise AssertionError("it does not run")


def like(epochs):
    """The curve, as close as sums in another order bring it."""
    return [pytest.approx((one.number, one.loss, one.metric), rel=2e-3, abs=1e-3) for one in epochs]


def curve(epochs):
    return [(one.number, one.loss, one.metric) for one in epochs]


def test_two_processes_give_the_curve_of_one():
    said = []
    model, epochs = fit_with_processes(2, *work(epochs=EPOCHS), seed=5, report=said.append)
    alone, expected = fit_transformer(*work(epochs=EPOCHS), seed=5)
    assert curve(epochs) == like(expected)
    assert epochs[-1].loss < epochs[0].loss / 2
    difference = (model.table.weight - alone.table.weight).abs().max()
    assert difference < 1e-2
    (started,) = [one for one in said if isinstance(one, Started)]
    assert started.processes == 2
    assert "gloo" in started.on or "nccl" in started.on
    assert [one for one in said if isinstance(one, Epoch)] == epochs
    assert said[-1] == Ended(epochs=epochs)


def test_two_processes_fit_what_nobody_judges():
    learnt, items, _, settings = work(epochs=2)
    model, epochs = fit_with_processes(2, learnt, items, None, settings, seed=5)
    alone, expected = fit_transformer(learnt, items, None, settings, seed=5)
    assert [epoch.metric for epoch in epochs] == [None, None]
    assert [one.loss for one in epochs] == [pytest.approx(one.loss, rel=2e-3) for one in expected]
    assert (model.table.weight - alone.table.weight).abs().max() < 1e-2


def test_a_process_that_is_killed_costs_no_more_than_what_lies_between_two_checkpoints(tmp_path):
    said, found, killed = [], [], []

    def kill(progress):
        said.append(progress)
        if isinstance(progress, Started) and not found:
            found.append(second_process())
        if progress == Saved(epochs=0, steps=EVERY) and not killed:
            found[0].kill()
            killed.append(progress)

    kept = (tmp_path / "run", "circle")
    _, epochs = fit_with_processes(2, *work(epochs=EPOCHS), kept=kept, report=kill)
    (resumed,) = [place for place, one in enumerate(said) if isinstance(one, Resumed)]
    before = [(one.epochs, one.steps) for one in said[:resumed] if isinstance(one, Saved)]
    assert (said[resumed].epochs, said[resumed].steps) >= before[-1]
    saved = [(one.epochs, one.steps) for one in said if isinstance(one, Saved | Resumed)]
    within = {(done, EVERY) for done in range(EPOCHS)}
    assert set(saved) == within | {(done, 0) for done in range(1, EPOCHS + 1)}
    _, expected = fit_transformer(*work(epochs=EPOCHS))
    assert curve(epochs) == like(expected)


def test_a_disk_that_fills_in_one_process_ends_all_and_one_alone_can_go_on(tmp_path):
    found = []

    def fill(progress):
        if isinstance(progress, Started):
            found.append(second_process())
        if progress == Saved(epochs=1, steps=0):
            limits = (1_000, resource.RLIM_INFINITY)
            resource.prlimit(found[0].pid, resource.RLIMIT_FSIZE, limits)

    kept = (tmp_path / "run", "circle")
    with pytest.raises(CheckpointError, match=r"could not be written .*File too large"):
        fit_with_processes(2, *work(epochs=EPOCHS), kept=kept, report=fill)
    assert len([entry for entry in kept[0].iterdir() if entry.name != ".lock"]) == 1
    said = []
    _, epochs = fit_transformer(*work(epochs=EPOCHS), kept=kept, report=said.append)
    (resumed,) = [one for one in said if isinstance(one, Resumed)]
    assert 1 <= resumed.epochs < EPOCHS
    assert curve(epochs) == like(fit_transformer(*work(epochs=EPOCHS))[1])
