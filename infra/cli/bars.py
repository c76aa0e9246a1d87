"""A progress bar over what is counted, for commands that take long."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from infra.cli.printing import out

Show = Callable[[int, int], None]
"""Told (done, total)."""


@contextmanager
def bar(what: str, *, hidden: bool = False) -> Iterator[Show]:
    """`hidden` where stdout belongs to a JSON document."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=out,
        disable=hidden,
    ) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
