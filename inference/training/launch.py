"""Fits the transformer with several processes of this machine, which torchrun starts and watches.

Where one of them dies, torchrun starts all of them again, and they go on from the newest
checkpoint. Takes what `fit_transformer` takes and gives what it gives. Called by
`inference.training.blend`.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

import inference
from inference.errors import CheckpointError, TrainingError
from inference.models.transformer import Transformer
from inference.training import checkpoint
from inference.training.epochs import Settings, made_from
from inference.training.job import Job
from inference.training.judging import Judge
from inference.training.progress import Epoch, Refused, Report, Said, silent
from inference.training.sequences import Sequences
from inference.training.standing import under

RESTARTS = 3
"""A process that dies more often than this dies of something that starting again does not mend."""
_TOLD_LINES = 15
_STOP_S = 40
"""torchrun gives its processes 30 s to end before it kills them."""


def fit_with_processes(  # noqa: PLR0913 - what fit_transformer takes, and two of its own
    processes: int,
    sequences: Sequences,
    items: int,
    judge: Judge | None,
    settings: Settings,
    *,
    seed: int = 0,
    kept: tuple[Path, str] | None = None,
    report: Report = silent,
    restarts: int = RESTARTS,
) -> tuple[Transformer, list[Epoch]]:
    """Raises CheckpointError, and TrainingError where the processes ended without a model."""
    with tempfile.TemporaryDirectory(prefix="tidemill-training-") as folder:
        place, data = kept or (Path(folder) / "checkpoints", "")
        path = Path(folder) / "job.npz"
        Job(sequences, items, judge, settings, seed, place, data).write(path)
        _run(_command(processes, restarts, path), processes, Path(folder) / "log", report)
        found = checkpoint.read(place, made_from(items, settings, seed, data))
    if found is None:
        raise TrainingError(f"{place}: the processes left no checkpoint there")
    head, tensors = found
    model = Transformer(items, settings[0])
    model.load_state_dict(under("best/", tensors))
    return model.eval(), list(head.epochs)


def _command(processes: int, restarts: int, job: Path) -> list[str]:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    counts = [f"--nproc-per-node={processes}", f"--max-restarts={restarts}"]
    return [*torchrun, *counts, "-m", "inference.training.rank", str(job)]


def _run(command: list[str], processes: int, log: Path, report: Report) -> None:
    refused = None
    with log.open("wb") as errors, _started(command, processes, errors.fileno()) as running:
        assert running.stdout is not None
        for line in running.stdout:
            try:
                said = msgspec.json.decode(line, type=Said | Refused)
            except msgspec.MsgspecError:  # the last words of a process that was killed
                continue
            if isinstance(said, Refused):
                refused = said.why
            else:
                report(said)
        code = running.wait()
    if refused is not None:
        raise CheckpointError(refused)
    if code != 0:
        told = log.read_text(encoding="utf-8", errors="replace").splitlines()
        raise TrainingError(
            f"{processes} processes could not train (torchrun ended with {code}); the newest"
            f" checkpoint can be resumed. What they said last: {' | '.join(told[-_TOLD_LINES:])}"
        )


@contextmanager
def _started(command: list[str], processes: int, errors: int) -> Iterator[subprocess.Popen[bytes]]:
    """Stopped with all its processes when the caller leaves early."""
    code = str(Path(inference.__file__).parents[1])
    path = os.pathsep.join(filter(None, (code, os.environ.get("PYTHONPATH"))))
    threads = str(max(1, len(os.sched_getaffinity(0)) // processes))
    environment = {"OMP_NUM_THREADS": threads, **os.environ, "PYTHONPATH": path}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=errors, env=environment
    ) as running:
        try:
            yield running
        finally:
            running.terminate()
            try:
                running.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                running.kill()
