"""How many second requests are allowed: so many to each first one, and a few at once.

A bucket of tokens, as gRPC throttles retries: each request puts a share of a token in, each hedge
takes a whole one out. Where every server is slow, hedges would only double the load; this bounds
them. Full, it covers what is under way to a server that stops just now. Pure.
"""

AT_ONCE = 10
"""Tokens at most: more than requests are in flight to one server (client.IN_FLIGHT)."""


class Budget:
    """Hedges are at most `share` * requests + AT_ONCE; none at all with a share of 0."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._tokens = float(AT_ONCE) if share else 0.0

    def request(self) -> None:
        self._tokens = min(float(AT_ONCE), self._tokens + self._share)

    def take(self) -> bool:
        """Whether a second request may be sent; then it counts."""
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
