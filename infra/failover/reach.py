"""Which clusters a command can ask: the one of the region it is for, and its peers' where somebody
says where they are and they answer.

A peer that is about to be given up may be gone, frozen or behind a cut link, so each question to it
has its time, and none is what a command fails by. Called by the commands of this package.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from confluent_kafka import KafkaException

from infra import broker
from infra.broker import BrokerError
from infra.probing.seen import Sample
from streams.lane.errors import LaneError
from streams.settings import Settings

T = TypeVar("T")

ANSWER_S = 30.0
"""For a question that reads short topics."""
_THERE_S = 4.0
"""Of the seconds that a failover may take, where a broker is frozen; one that is gone refuses at
once, and one that runs answers in milliseconds.
"""


@dataclass(frozen=True)
class Reach:
    """`here` is whose cluster is written to; `addresses` the Kafka of each peer that is known;
    `home` where the journals of this region are; `last_seen` what a prober saw of a region last.
    """

    here: Settings
    addresses: Mapping[str, str]
    home: Path
    last_seen: Callable[[str], Sample | None] = lambda _: None
    _answering: dict[str, bool] = field(default_factory=dict)

    @property
    def region(self) -> str:
        return self.here.region

    @property
    def regions(self) -> tuple[str, ...]:
        return (self.here.region, *self.here.peers)

    def of(self, region: str) -> Settings | None:
        """As a client of that region's cluster; None where nobody says where it is."""
        if region == self.region:
            return self.here
        address = self.addresses.get(region)
        if address is None:
            return None
        peers = tuple(name for name in self.regions if name != region)
        return self.here.model_copy(update={"region": region, "kafka": address, "peers": peers})

    def answers(self, region: str) -> bool:
        """Whether that region's Kafka answers; asked once a command."""
        found = self._answering.get(region)
        if found is None:
            settings = self.of(region)
            found = settings is not None and broker.is_there(settings, _THERE_S)
            self._answering[region] = found
        return found

    def look_again(self) -> None:
        """Who did not answer may do so by now."""
        self._answering.clear()

    def asked(
        self, region: str, question: Callable[[Settings], T], within_s: float = ANSWER_S
    ) -> T | None:
        """What a region's cluster answers; None where it cannot be asked or does not in time."""
        settings = self.of(region)
        if settings is None or not self.answers(region):
            return None
        found: list[T] = []

        def ask() -> None:
            try:
                found.append(question(settings))
            except (BrokerError, KafkaException, LaneError):
                return

        # A client of a broker that freezes meanwhile waits for a minute; the command does not.
        asking = threading.Thread(target=ask, name=f"ask-{region}", daemon=True)
        asking.start()
        asking.join(within_s)
        return found[0] if found else None
