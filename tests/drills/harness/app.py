"""An application that shows slates: a reader of one region, and everything it was given, when."""

import threading
import time
from itertools import pairwise

from schemas.recommendations import AnswerHeaders
from streams.region.reader import Positions, Reader, Slate
from streams.settings import Settings
from tests.drills.check.readers import Given

_WAIT_S = 0.1


class App:
    """Dies with its region and starts again where it stopped, as `positions` say."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.given: list[Given] = []
        self._positions: Positions | None = None
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self.failed: BaseException | None = None

    def start(self) -> None:
        self._ending.clear()
        reader = Reader(self._settings, positions=self._positions)
        self._thread = threading.Thread(target=self._read, args=(reader,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ending.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def forget(self) -> None:
        """Another machine, which begins with the oldest slate that is kept."""
        self.given, self._positions = [], {}

    @property
    def is_running(self) -> bool:
        return self._thread is not None and self.failed is None

    def since(self, at_s: float, prefix: str = "") -> list[Given]:
        """What it was given since then for the users whose names begin so."""
        found = []
        for one in reversed(self.given):
            if one.at_s < at_s:
                break
            if one.user_id.startswith(prefix):
                found.append(one)
        return found[::-1]

    def silent_s(self, partitions: int, begin_s: float, end_s: float, prefix: str) -> float:
        """The longest time between in which these people of a partition were given nothing."""
        longest = 0.0
        for number in range(partitions):
            came = [one.at_s for one in self.since(begin_s, prefix) if one.partition == number]
            times = [begin_s, *(at for at in came if at < end_s), end_s]
            longest = max(longest, *(b - a for a, b in pairwise(times)))
        return round(longest, 2)

    def _read(self, reader: Reader) -> None:
        try:
            while not self._ending.is_set():
                slates = reader.read(_WAIT_S)
                now = time.monotonic()
                self.given += (_given(slate, now) for slate in slates)
                self._positions = dict(reader.positions)
        except BaseException as error:  # noqa: BLE001 - told by whoever looks at the end
            self.failed = error
        finally:
            reader.close()


def _given(slate: Slate, at_s: float) -> Given:
    headers = AnswerHeaders.decode(slate.message.headers() or [])
    return Given(
        at_s,
        slate.message.partition(),
        slate.user_id,
        slate.surface,
        slate.recommendation_id,
        headers.origin,
        headers.epoch,
        (headers.cause.appended_at_ms, headers.cause.event_id),
    )
