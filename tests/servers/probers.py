"""Probers of two real regions as processes of their own, and what they tell."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from infra.local import ports
from infra.probing import asking
from infra.probing.report import Told
from streams.settings import Settings
from tests.servers.workers import Worker, until

T = TypeVar("T")

NOBODY = "127.0.0.1:1"
"""Nobody listens there: what is looked for there is cut off."""
AFTER_S = 3.0
_STARTED_S = 400.0
"""All of the command line is imported, on slow, shared cores."""
_LOG_FORMAT = re.compile(r"^\S+ \S+ [A-Z]+ \S+ ", re.MULTILINE)


@dataclass
class Prober:
    """`tidemill region watch`."""

    address: str
    worker: Worker
    automatic: bool = False

    def sees(self, region: str) -> Told | None:
        answer = asking.ask(self.address)
        return None if answer is None else answer.report.regions[region]

    def silent_s(self, region: str) -> float:
        """For how long it has looked and not heard; 0 where it cannot be asked."""
        found = self.sees(region)
        if found is None:
            return 0.0
        return min([found.watched_s, *found.heard_age_s.values()])

    def hears(self, region: str, way: str) -> bool:
        found = self.sees(region)
        return found is not None and found.heard_age_s.get(way, AFTER_S) < AFTER_S

    def events(self, region: str) -> int:
        """As it saw where they end, once it can tell at which rate they come."""
        found = self.sees(region)
        ends = None if found is None else found.ends
        return sum(ends.ends.values()) if ends is not None and ends.rates else 0

    def told(self, sentence: str) -> int:
        """How often its log says something that begins so."""
        text = _LOG_FORMAT.sub("\0", self.worker.log.read_text())
        return text.count(f"\0{sentence}")


class Places(Protocol):
    """Where each prober runs, if not all on one machine."""

    def address(self, place: str) -> str: ...

    def within(self, place: str, call: Callable[[], T]) -> T: ...


class Probers:
    """Of these regions. One is started again under its name with what is given then."""

    def __init__(
        self, regions: Mapping[str, Settings], folder: Path, places: Places | None = None
    ) -> None:
        self._regions, self._folder, self._places = regions, folder, places
        self._running: dict[str, Prober] = {}
        self._ports: dict[str, int] = {}
        self._started = 0

    def start(self, name: str, *, automatic: bool = False, **kafka: str) -> Prober:
        """In a region, or `outside`. `kafka`: of a region, if it is not looked for where it is."""
        self.stop(name)
        self._started += 1
        looked_at = {n: one.kafka for n, one in self._regions.items() if n != name} | kafka
        given = [f"--peer={region}={place}" for region, place in looked_at.items()]
        if name not in self._regions:
            asked = {region: self._running.get(region) for region in looked_at}
            # The one in the region that is lost is never asked about that.
            given += [f"--prober={n}={one.address if one else NOBODY}" for n, one in asked.items()]
        given += [f"--after={AFTER_S}", *(["--automatic"] if automatic else [])]
        # The same each time: others know it by that.
        port = self._ports.setdefault(name, ports.free_port(frozenset(self._ports.values())))
        host = "127.0.0.1" if self._places is None else "0.0.0.0"
        settings = {"metrics_port": port, "prober_host": host, "home": self._folder}
        settings |= _given(self._regions.get(name) or next(iter(self._regions.values())))
        log = self._folder / f"{self._started}-{name}.log"
        program = ("-m", "infra.cli", "region", "watch", *given)
        worker = Worker(f"--from={name}", log, settings, program)
        if self._places is None:
            worker.start()
        else:
            host = self._places.address(name)
            self._places.within(name, worker.start)
        self._running[name] = Prober(f"{host}:{port}", worker, automatic)
        address = self._running[name].address
        until(f"the prober {name} answers", lambda: asking.ask(address), _STARTED_S)
        return self._running[name]

    def __getitem__(self, name: str) -> Prober:
        return self._running[name]

    def __contains__(self, name: str) -> bool:
        return name in self._running

    def again(self, name: str, **kafka: str) -> Prober:
        """As it was, but for whom it looks elsewhere."""
        return self.start(name, automatic=self._running[name].automatic, **kafka)

    def stop(self, *names: str) -> None:
        for name in names or tuple(self._running):
            if (prober := self._running.pop(name, None)) is not None:
                prober.worker.stop()


@contextmanager
def probing(
    regions: Mapping[str, Settings], folder: Path, places: Places | None = None
) -> Iterator[Probers]:
    made = Probers(regions, folder, places)
    try:
        yield made
    finally:
        made.stop()


def _given(settings: Settings) -> dict[str, object]:
    return {
        "kafka": settings.kafka, "region": settings.region, "peers": ",".join(settings.peers),
        "region_number": settings.region_number, "partitions": settings.partitions,
    }  # fmt: skip
