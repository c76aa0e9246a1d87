"""Our worker with a constant slate (tests/benchmarks/constant.py) that tells its progress.

Called like the peers, with a word before their arguments, which `constant.py` explains: `newest`
or `each`.
"""

import os
import sys

from streams.lane.contract import Batch, Outcome
from streams.settings import Settings
from streams.topology import Node
from tests.benchmarks import constant
from tests.benchmarks.peers.progress import PARTITIONS, Call, Progress


class Told(constant.Constant):
    """Recommends constantly, and tells its progress."""

    def __init__(self, node: Node, settings: Settings, progress: Progress) -> None:
        super().__init__(node, settings)
        self._progress = progress

    async def process(self, batch: Batch) -> Outcome:
        if in_hand := batch.size:
            self._progress.take(in_hand)
        outcome = await super().process(batch)
        if joined := batch.size - in_hand:
            self._progress.take(joined)
        return outcome


def main() -> None:
    answered = sys.argv.pop(1)
    call = Call.from_arguments()
    os.environ |= {
        "TIDEMILL_KAFKA": call.broker,
        "TIDEMILL_PARTITIONS": str(PARTITIONS),
        "TIDEMILL_STATE_DIR": str(call.folder / "state"),
    }
    constant.run(answered, lambda node, settings: Told(node, settings, Progress(call.events)))


if __name__ == "__main__":
    main()
