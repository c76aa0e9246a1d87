"""Which way a blend's transformer is made smaller for its release, or left out of it: the fastest
one within 1 % of the best NDCG, of the whole blend on validation items.

Every way answers each request in turn, on one thread as Triton lets it, and what counts is the time
of the processor that it took: what else the machine does must not choose a release.
The way is chosen once; whatever is made smaller after that is made smaller so. Called by
`inference.training.blend`.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import msgspec
import numpy as np
import torch

from inference.compression.choose import Measured, choose
from inference.compression.ways import NONE, RELEASED, Way
from inference.errors import CompressionError
from inference.models.answer import answer
from inference.models.blend import Blend
from inference.training.fitted import Fitted
from inference.training.judging import Asked, gains
from schemas.serving import ITEMS

WITHOUT = "no transformer"
"""The way of leaving it out, where it is not worth what it costs."""


class Fastest:
    """`found` is what was measured, None before; `way` what was chosen."""

    def __init__(
        self,
        ways: Mapping[str, Way] = RELEASED,
        clock: Callable[[], float] = time.process_time,
    ) -> None:
        self._ways, self._clock = ways, clock
        self.way = NONE
        self.found: list[Measured] = []

    def choose(self, blend: Blend, without: Blend, asked: Sequence[Asked]) -> None:
        """`without` is the blend of all other parts, under weights of its own; `asked` are requests
        with the one right item of each user.
        """
        if self.found:
            return
        blends = {}
        for name in self._ways:
            try:
                blends[name] = self._smaller(blend, name)
            except CompressionError:  # such a model has nothing that this way could take
                continue
        blends[WITHOUT] = without
        seconds: dict[str, list[float]] = {name: [] for name in blends}
        ndcg: dict[str, list[float]] = {name: [] for name in blends}
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            for one in blends.values():
                answer(one, asked[0][0])  # the first request of a model is slow
            for request, right in asked:
                for name, one in blends.items():
                    began = self._clock()
                    items = answer(one, request)[ITEMS]
                    seconds[name].append((self._clock() - began) / len(right))
                    ndcg[name] += gains(items, right).tolist()
        finally:
            torch.set_num_threads(threads)
        self.found = [
            Measured(name, float(np.mean(ndcg[name])), float(1 / np.median(seconds[name])))
            for name in blends
        ]
        self.way = choose(self.found).name

    def __call__(self, blend: Blend) -> Blend:
        """The same blend with its transformer made smaller in the way that was chosen, which is not
        to leave it out.
        """
        return self._smaller(blend, self.way)

    def _smaller(self, blend: Blend, name: str) -> Blend:
        assert blend.transformer is not None
        smaller = self._ways[name](blend.transformer) if name != NONE else blend.transformer
        return blend.with_transformer(smaller)


def compressed(fitted: Fitted, fastest: Fastest) -> Fitted:
    """The same, with its record saying which way was chosen, if one was."""
    if not fastest.found:
        return fitted
    training = msgspec.structs.replace(fitted.training, compression=fastest.way)
    return replace(fitted, training=training)
