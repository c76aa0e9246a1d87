"""Records for tests without a broker: what confluent_kafka's Message offers, and no more."""

from streams.lane.contract import Headers


class FakeRecord:
    """A fetched record."""

    def __init__(
        self,
        value: bytes | None,
        *,
        key: bytes | None = b"kim",
        topic: str = "user-events",
        partition: int = 0,
        offset: int = 0,
        timestamp_ms: int = 1_700_000_000_000,
        headers: Headers | None = None,
    ) -> None:
        self._value, self._key, self._topic = value, key, topic
        self._partition, self._offset = partition, offset
        self._timestamp_ms, self._headers = timestamp_ms, headers

    def topic(self) -> str:
        return self._topic

    def partition(self) -> int:
        return self._partition

    def offset(self) -> int:
        return self._offset

    def timestamp(self) -> tuple[int, int]:
        return 2, self._timestamp_ms

    def key(self) -> bytes | None:
        return self._key

    def value(self) -> bytes | None:
        return self._value

    def headers(self) -> Headers | None:
        return self._headers
