"""Probers of two real regions as processes of their own, and what they tell."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.local import ports
from infra.probing import asking
from infra.probing.report import Told
from tests.servers.operators import Shop, Shops
from tests.servers.workers import Worker, until

NOBODY = "127.0.0.1:1"
"""Nobody listens there: what is asked there is cut off."""
AFTER_S = 3.0
_LOG_FORMAT = re.compile(r"^\S+ \S+ [A-Z]+ \S+ ", re.MULTILINE)


@dataclass
class Prober:
    """`tidemill region watch`."""

    address: str
    worker: Worker

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
        """As it saw where they end."""
        found = self.sees(region)
        return 0 if found is None or found.ends is None else sum(found.ends.ends.values())

    def told(self, sentence: str) -> int:
        """How often its log says something that begins so."""
        text = _LOG_FORMAT.sub("\0", self.worker.log.read_text())
        return text.count(f"\0{sentence}")


Start = Callable[..., Prober]


@contextmanager
def starting(shops: Shops, folder: Path) -> Iterator[Start]:
    """`start(name, east="...", automatic=True)`: one in a region or `outside`; where the Kafka of a
    region is for it, if not where it is.
    """
    started: dict[str, Prober] = {}

    def start(name: str, *, automatic: bool = False, **kafka: str) -> Prober:
        looked_at = [shop for shop in shops.values() if shop.name != name]
        places = {shop.name: shop.region.bootstrap for shop in looked_at} | kafka
        given = [f"--peer={region}={place}" for region, place in places.items()]
        if name not in shops:
            given += [f"--prober={n}={one.address}" for n, one in started.items() if n in places]
        if automatic:
            # The one in the region that is lost is never asked about that.
            missing = places.keys() - started.keys()
            given += ["--automatic", *(f"--prober={region}={NOBODY}" for region in missing)]
        port = ports.free_port(frozenset())
        settings = _settings(shops.get(name) or looked_at[0])
        settings |= {"metrics_port": port, "home": folder}
        program = ("-m", "infra.cli", "region", "watch", *given, f"--after={AFTER_S}")
        worker = Worker(f"--from={name}", folder / f"{name}.log", settings, program).start()
        started[name] = Prober(f"127.0.0.1:{port}", worker)
        until(f"the prober {name} answers", lambda: asking.ask(started[name].address))
        return started[name]

    try:
        yield start
    finally:
        for prober in started.values():
            prober.worker.stop()


def _settings(shop: Shop) -> dict[str, object]:
    return {name.removeprefix("TIDEMILL_").lower(): one for name, one in shop.settings.items()}
