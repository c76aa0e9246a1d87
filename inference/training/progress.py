"""What a training run says of itself while it goes on. Between processes each is a line of JSON."""

from collections.abc import Callable, Sequence

import msgspec


class Started(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`on` is the device and how the processes exchange gradients, in words."""

    processes: int
    on: str


class Resumed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Went on after so many finished epochs and so many steps of the next one."""

    epochs: int
    steps: int


class Saved(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A checkpoint holds so many finished epochs and so many steps of the next one."""

    epochs: int
    steps: int


class Epoch(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One pass over the data; `metric` is NDCG@10 on validation items, 0 to 1, or None where
    nothing judged it.
    """

    number: int
    loss: float
    metric: float | None
    seconds: float


class Ended(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """All epochs of a run, those before it was resumed too."""

    epochs: list[Epoch]


def best_of(epochs: Sequence[Epoch]) -> Epoch:
    """The first of those with the highest metric; where nothing judged them, the last."""
    judged = [epoch for epoch in epochs if epoch.metric is not None]
    return max(judged, key=lambda epoch: epoch.metric or 0.0) if judged else epochs[-1]


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Between processes only: an error that starting again does not mend, as a sentence."""

    why: str


Said = Started | Resumed | Saved | Epoch | Ended
Report = Callable[[Said], None]


def silent(_: Said) -> None:
    """Nobody listens."""
