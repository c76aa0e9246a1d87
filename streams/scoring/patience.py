"""How long asks that are late wait for the model, and when the fallback answers them after all.

Nobody gains from a late fallback, so a late ask that Triton cannot score now is tried again with
the next batches. What ends that is lag: the age of the oldest late ask of the partition, by append
time, as each batch meets it. After a stall it is high and falls as long as late asks are scored
faster than time goes by; it may rise by the bound above the lowest it has been since the partition
was last without late asks. More than that is not catching up, and the fallback answers all late
asks until none is left. Pure; one for each partition, asked once a batch by the answering stage.
"""


class Patience:
    def __init__(self, bound_s: float) -> None:
        self._bound_s = bound_s
        self._lowest_s: float | None = None
        self.is_over = False

    def lasts(self, lag_s: float | None) -> bool:
        """Whether late asks may wait. `lag_s`: the age of the oldest one; None: none is late."""
        if lag_s is None:
            self._lowest_s, self.is_over = None, False
            return True
        lowest_s = lag_s if self._lowest_s is None else min(self._lowest_s, lag_s)
        self._lowest_s = lowest_s
        self.is_over = self.is_over or lag_s - lowest_s > self._bound_s
        return not self.is_over
