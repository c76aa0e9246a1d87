"""What is in flight, brought to its end before slots are given up. Used by the lane."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from streams.lane.contract import Offsets, Outcome, Stage
from streams.lane.held import Held

GRACE_S = 5.0
"""For a batch in hand, and for what is left to drain; a stage may wait much longer for its server,
and a rebalance waits for this.
"""


async def settle(closing: Sequence[Held]) -> None:
    """Nothing new from here on; what is being committed is committed. A batch that is not yet can
    be dropped at no loss: its next holder reads it again.
    """
    for held in closing:
        held.is_open = False
        held.clear()
    running = [held.running for held in closing if held.running is not None]
    if running:
        await asyncio.wait(running, timeout=GRACE_S)
    for held in closing:
        if held.running is not None and held.is_processing:
            held.running.cancel()
    await asyncio.gather(*running)


async def drain(
    held: Held, stage: Stage, commit: Callable[[Held, Offsets, Outcome], Awaitable[bool]]
) -> None:
    """Write what the next holder would otherwise have to fold again."""
    ends = time.monotonic() + GRACE_S
    while time.monotonic() < ends:
        outcome = stage.drain(held.slot, held.processed)
        if outcome is None or not await commit(held, held.processed, outcome):
            return
