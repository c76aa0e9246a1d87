"""Our worker as it is, with a constant slate in the place of scoring and choosing.

Everything else is the real thing: `streams.worker` with its lane, decoding, the fold of the
complete state, recent and due asks, the state's digest, recommendations with their headers,
transactions, the flush to changelog and RocksDB. Settings come from the environment, as always.
Called with a word: `newest` answers the newest ask of each (user, surface) of a batch, which is
the product's rule; `each` answers every ask, so that every event costs the same.
"""

import sys
from collections.abc import Callable, Sequence

import msgspec

from streams import worker
from streams.scoring.candidates import Scored, Wanted
from streams.settings import Settings
from streams.stages import answering, asks, recommend
from streams.stages.asks import Ask
from streams.stages.late import Late, Planned
from streams.state.users import UserState
from streams.topology import Node
from tests.benchmarks.engine import slate

_SCORED = Scored([], None)


class ConstantAnswering(answering.Answering):
    """Answers without looking at what the user did."""

    def plan(self, ask: Ask, state: UserState) -> Planned:
        return Planned(ask, Wanted(state, slate.SIZE, frozenset()), slate.SIZE, None, False)

    async def _score(self, planned: Sequence[Planned], _late: Late) -> list[Scored]:
        return [_SCORED] * len(planned)


class Constant(recommend.Recommend):
    """Recommends the same to everybody."""

    def __init__(self, node: Node, settings: Settings) -> None:
        super().__init__(node, settings, worker.fatal)
        self._answering = ConstantAnswering(settings, self._known, self._scorer)


def run(answered: str, stage: Callable[[Node, Settings], Constant]) -> None:
    """The worker, until SIGTERM."""
    items = msgspec.Raw(msgspec.json.encode(slate.items()))
    answering.choose = lambda **_: items
    if answered == "each":
        asks.NewestAsks.keeps_each = True
    worker._stage = stage
    worker.main(["recommend"])


if __name__ == "__main__":
    run(sys.argv.pop(1), Constant)
