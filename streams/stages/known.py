"""What every worker knows besides its partitions: who owns what, releases, experiments, items.

Fed from the topics that a stage reads in full (streams/lane/whole_topics.py). It waits for the end
of all of them before it opens its first partition.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from confluent_kafka import Message

from schemas.codec import RefusedError
from schemas.serving import MODEL
from schemas.topics import (
    EXPERIMENTS,
    ITEM_UPDATES,
    ITEM_VECTORS,
    MODEL_RELEASES,
    REGION_OWNERSHIP,
)
from streams import metrics
from streams.catalogue.experiments import Experiments
from streams.catalogue.items import Catalogue
from streams.catalogue.releases import Releases
from streams.catalogue.served_items import ServedItems
from streams.catalogue.vectors import Vectors, Version
from streams.lane.errors import DeadlineError, Fatal
from streams.lane.whole_topics import WholeTopics
from streams.region.copies import Copy
from streams.region.gate import Gate
from streams.region.ownership import Ownerships
from streams.settings import Settings
from streams.topology import Node, copies, origins

log = logging.getLogger(__name__)

_READ_DEADLINE_S = 300.0
_REFRESH_S = 5.0
"""How soon a release whose files could not be read is tried again."""


class Known:
    """Used in the event loop's thread only."""

    def __init__(self, node: Node, settings: Settings) -> None:
        self._settings = settings
        self._regions = (settings.region, *settings.peers)
        self.ownerships = Ownerships()
        self.releases = Releases()
        self.experiments = Experiments()
        self.catalogue = Catalogue()
        # A vector may come before the null that makes room for it, from another partition.
        self.vectors = Vectors(2 * settings.new_items)
        self.served = ServedItems(self.catalogue, self.releases, settings.region)
        self._told: dict[str, str] = {}
        """Origin -> what was last said of its gate."""
        self._origin_of: dict[str, str] = {}
        self._apply_to: dict[str, Callable[[Copy], None]] = {}
        sinks = {
            REGION_OWNERSHIP.name: self.ownerships.apply,
            MODEL_RELEASES.name: self.releases.apply,
            EXPERIMENTS.name: self.experiments.apply,
            ITEM_UPDATES.name: self.catalogue.apply,
            ITEM_VECTORS.name: self.vectors.apply,
        }
        for topic in node.reads_in_full:
            if topic.name in sinks:
                self._origin_of |= origins(topic, settings.region, settings.peers)
                for name in copies(topic, settings.peers):
                    self._apply_to[name] = sinks[topic.name]

    async def start(self, fatal: Fatal) -> None:
        """Returns once all topics were read to their ends. Raises DeadlineError."""
        self._reader = WholeTopics(self._settings, list(self._apply_to), self._apply, fatal)
        self._reader.start()
        try:
            async with asyncio.timeout(_READ_DEADLINE_S):
                await self._reader.read
        except TimeoutError:
            raise DeadlineError(
                f"the topics {', '.join(self._apply_to)} were not read to their ends within"
                f" {_READ_DEADLINE_S:.0f} s"
            ) from None
        log.info("read to their ends: %s", ", ".join(self._apply_to))
        await self.served.refresh()
        self.tell_gates()
        self._report()
        self._refreshing = asyncio.create_task(self._refresh())

    async def stop(self) -> None:
        self._refreshing.cancel()
        self._reader.stop()
        await asyncio.to_thread(self._reader.join)

    def epoch(self, origin: str) -> int | None:
        """The epoch at which this region publishes for an origin now, if it does."""
        return self._gate(origin).epoch

    def epochs(self) -> dict[str, int]:
        """Of each origin for which this region publishes now, at which epoch."""
        found = ((origin, self.epoch(origin)) for origin in self._regions)
        return {origin: epoch for origin, epoch in found if epoch is not None}

    def tell_gates(self) -> None:
        """Say of each origin whether this region publishes for it and why, where that changed."""
        for origin in self._regions:
            reason = self._gate(origin).reason
            if self._told.get(origin) != reason:
                self._told[origin] = reason
                is_known = self.ownerships.current(origin) is not None
                log.log(logging.INFO if is_known else logging.WARNING, "%s", reason)

    def version_for(self, user_id: str) -> str | None:
        return self.releases.version_for(MODEL, self._settings.region, user_id)

    def _gate(self, origin: str) -> Gate:
        return Gate(self._settings.region, origin, self.ownerships.current(origin))

    def _apply(self, messages: Sequence[Message]) -> None:
        for message in messages:
            topic = message.topic()
            copy = Copy(
                topic,
                self._origin_of[topic],
                message.partition(),
                message.offset(),
                message.timestamp()[1],
                message.key(),
                message.value(),
                message.headers() or [],
            )
            try:
                self._apply_to[topic](copy)
            except RefusedError as refused:
                log.warning("%s is left out: %s", copy.where(), refused)
        if self._reader.read.done():  # until then more may hold than is known
            self.tell_gates()
        self._report()

    async def _refresh(self) -> None:
        """Release tables lie in files, perhaps far away; a failed load is tried again."""
        while True:
            await asyncio.sleep(_REFRESH_S)
            await self.served.refresh()
            self._report()

    def _report(self) -> None:
        region = self._settings.region
        for origin in self._regions if REGION_OWNERSHIP.name in self._apply_to else ():
            metrics.OWNED_EPOCH.labels(origin).set(self.epoch(origin) or 0)
        available, withdrawn = self.catalogue.counts()
        metrics.CATALOGUE_ITEMS.labels("yes").set(available)
        metrics.CATALOGUE_ITEMS.labels("no").set(withdrawn)
        metrics.SERVED_VERSION.clear()
        metrics.NEW_ITEMS.clear()
        served = self.releases.served(MODEL, region)
        if served is not None:
            metrics.SERVED_VERSION.labels(MODEL, served.version).set(1)
            new = self.vectors.count(Version(MODEL, served.version))
            metrics.NEW_ITEMS.labels(served.version).set(new)
