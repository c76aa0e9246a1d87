"""Where a training run stands, as a folder that appears whole and replaces the one before it.

The tensors are written by torch.distributed.checkpoint, each process its part; `head.json` beside
them names what the run is made of (data, seed, settings, code), how far it came and the hash of
every file. Whoever resumes must bring the same; what was cut off or changed is refused. A crash or
a full disk at any line leaves the one before. torch keeps its list of tensors as a pickle, so a
checkpoint is read only by whoever would also run code of its maker's.

That part of torch takes a second to import, so it is imported where a checkpoint is written or
read: commands and Triton import this package and mostly do neither.
"""

import hashlib
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import torch
from torch import Tensor

from inference import models
from inference.errors import CheckpointError
from inference.folders import drafted, locked, publish
from inference.training.distribute import Group
from inference.training.progress import Epoch

HEAD = "head.json"


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """`run` is what must be equal to resume; `epochs` all that were finished. Of the next one
    `steps` were done, which learnt from `seen` next items with the loss `lost` in sum.
    """

    run: dict[str, str]
    epochs: list[Epoch]
    steps: int = 0
    lost: float = 0.0
    seen: int = 0
    metric: float | None = None
    """The best of the epochs, whose model it holds."""
    files: dict[str, str] = {}
    """Name to SHA-256."""


def code_version() -> str:
    """12 hex digits that change with any line of the models or of their training."""
    digest = hashlib.sha256()
    for folder in (Path(models.__file__).parent, Path(__file__).parent):
        for path in sorted(folder.glob("*.py")):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def write(place: Path, head: Head, tensors: dict[str, Tensor], group: Group) -> None:
    """All processes call it, with equal tensors. Raises CheckpointError in each of them where one
    could not write; what was in `place` is whole then.
    """
    from torch.distributed.checkpoint.api import CheckpointException  # noqa: PLC0415 - see above
    from torch.distributed.checkpoint.state_dict_saver import save  # noqa: PLC0415

    with _draft(place, group) as draft:
        wrong = None
        try:
            with _unwarned():
                save(tensors, checkpoint_id=draft, no_dist=group.processes == 1)
        except CheckpointException as error:
            wrong = "; ".join(str(failure) for failure, _ in error.failures.values())
        if wrong is None and group.first:
            try:
                _finish(place, draft, head)
            except OSError as error:
                wrong = str(error.strerror)
        wrong = group.same(wrong)
    if wrong is not None:
        raise CheckpointError(
            f"{place}: a checkpoint could not be written ({wrong});"
            " the one before it, if any, is whole and can be resumed"
        )


def read(place: Path, run: Mapping[str, str]) -> tuple[Head, dict[str, Tensor]] | None:
    """The newest one, None where there is none. Raises CheckpointError for one that is damaged or
    of another run.
    """
    whole = _whole(place)
    if not whole:
        return None
    folder = whole[-1]
    head = _verified(folder)
    for name, value in run.items():
        if head.run.get(name) != value:
            raise CheckpointError(
                f"{folder}: its {name} is {head.run.get(name)}, this run's is {value};"
                " remove it to begin anew"
            )
    return head, _tensors(folder)


def _verified(folder: Path) -> Head:
    wrong = None
    try:
        head = msgspec.json.decode((folder / HEAD).read_bytes(), type=Head)
        changed = [name for name, digest in head.files.items() if _digest(folder / name) != digest]
        if changed or not head.files:
            wrong = f"{', '.join(changed) or 'the list of its files'} was cut off or changed"
    except (OSError, msgspec.MsgspecError) as error:
        wrong = str(error)
    if wrong is not None:
        raise CheckpointError(f"{folder}: it is no whole checkpoint: {wrong}; remove it")
    return head


@contextmanager
def _draft(place: Path, group: Group) -> Iterator[Path]:
    """The first process makes the folder, and removes it unless it was published."""
    draft, wrong = None, ""
    with ExitStack() as held:
        if group.first:
            try:
                held.enter_context(locked(place))
                draft = held.enter_context(drafted(place))
            except OSError as error:
                wrong = f"{place}: a checkpoint cannot be written there: {error.strerror}"
        draft, wrong = group.same((draft, wrong))
        if draft is None:
            raise CheckpointError(wrong)
        yield draft


def _finish(place: Path, draft: Path, head: Head) -> None:
    files = {path.name: _digest(path) for path in sorted(draft.iterdir())}
    whole = msgspec.structs.replace(head, files=files)
    (draft / HEAD).write_bytes(msgspec.json.format(msgspec.json.encode(whole), indent=2))
    older = _whole(place)
    publish(draft, place / f"{len(head.epochs):06}-{head.steps:09}")
    for folder in older:
        shutil.rmtree(folder, ignore_errors=True)


def _whole(place: Path) -> list[Path]:
    """By how far they came."""
    return sorted(place.glob("[0-9]*-[0-9]*")) if place.is_dir() else []


def _tensors(folder: Path) -> dict[str, Tensor]:
    from torch.distributed.checkpoint.filesystem import FileSystemReader  # noqa: PLC0415
    from torch.distributed.checkpoint.metadata import TensorStorageMetadata  # noqa: PLC0415
    from torch.distributed.checkpoint.state_dict_loader import load  # noqa: PLC0415

    kept = FileSystemReader(folder).read_metadata().state_dict_metadata
    tensors = {
        name: torch.empty(said.size, dtype=said.properties.dtype)
        for name, said in kept.items()
        if isinstance(said, TensorStorageMetadata)
    }
    with _unwarned():
        load(tensors, checkpoint_id=folder, no_dist=True)
    return tensors


@contextmanager
def _unwarned() -> Iterator[None]:
    """Of a process alone torch supposes, aloud, that it is meant to be alone."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.distributed is disabled", UserWarning)
        yield


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
