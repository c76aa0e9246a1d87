"""A server that is stopped for a part of each period: slow, as a busy neighbour makes it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil


def family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


@asynccontextmanager
async def pulsing(pid: int, stopped_s: float, every_s: float) -> AsyncIterator[None]:
    """It runs again behind it, whatever happens. With 0 seconds stopped it is left alone."""
    members = family(pid)
    pulses = asyncio.create_task(_pulse(members, stopped_s, every_s))
    try:
        yield
    finally:
        pulses.cancel()
        _go_on(members)


async def _pulse(members: list[psutil.Process], stopped_s: float, every_s: float) -> None:
    while stopped_s:
        await asyncio.sleep(every_s - stopped_s)
        for member in members:
            member.suspend()
        await asyncio.sleep(stopped_s)
        _go_on(members)


def _go_on(members: list[psutil.Process]) -> None:
    for member in reversed(members):
        member.resume()
