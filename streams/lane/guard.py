"""Nothing of a worker fails unseen: what goes wrong in a task or a callback ends it.

asyncio would log the exception and go on, with a partition that nobody serves. Used by the lane.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from streams.lane.errors import Fatal


class Guard:
    def __init__(self, fatal: Fatal) -> None:
        self._fatal = fatal

    def task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something beside what runs already."""
        task = asyncio.create_task(work)
        task.add_done_callback(self._on_done)
        return task

    def call(self, what: Callable[..., None], *arguments: object) -> None:
        """Give this and `what` to the loop instead of `what` alone."""
        try:
            what(*arguments)
        except Exception as error:  # noqa: BLE001
            self._fatal(error)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fatal(error)
