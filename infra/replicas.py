"""Which of a region's ClickHouses is read: the first that answers and is not behind the others.

Each holds the whole archive and is filled by workers of its own from the same topics, so one that
was away has less for a while, and nothing else differs. How far each is, the consumer group of its
workers tells; where Kafka does not, whoever answers is taken. Read only; called by `status`, `train
--from clickhouse`, the backups and the demo.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import msgspec
from confluent_kafka import KafkaException

from infra import archive, broker, lag
from infra.broker import BrokerError
from streams.lane.errors import LaneError
from streams.settings import Settings
from streams.topology import ARCHIVE

_NEAR = 10_000
"""Records behind the others that are nothing to a reader: seconds of a busy shop, or a restart of
the workers that fill it.
"""


class Replica(msgspec.Struct, frozen=True, kw_only=True):
    """`behind`: of several, the records that its workers have still to write; None where nobody can
    tell.
    """

    url: str
    ready: bool
    behind: int | None = None


def replicas(settings: Settings) -> list[Replica]:
    """In the order of the settings, all asked at once."""
    numbers = range(1, len(settings.clickhouse) + 1)
    asks_kafka = len(numbers) > 1 and broker.is_there(settings)

    def ask(number: int) -> Replica:
        address = settings.clickhouse[number - 1]
        disk = archive.disk(settings, address)
        behind = None
        if asks_kafka and disk is not None:
            with suppress(BrokerError, KafkaException, LaneError):
                behind = lag.behind_of(ARCHIVE, settings, number, disk)
        return Replica(url=address, ready=disk is not None, behind=behind)

    with ThreadPoolExecutor(max_workers=len(numbers)) as pool:
        return list(pool.map(ask, numbers))


def chosen(found: Sequence[Replica]) -> Replica:
    """The one to read; the first where none answers, which its reader then says. Pure."""
    there = [one for one in found if one.ready]
    known = [one.behind for one in there if one.behind is not None]
    if not known:
        return next(iter(there), found[0])
    bound = min(known) + _NEAR
    return next(one for one in there if one.behind is not None and one.behind <= bound)


def to_read(settings: Settings) -> str:
    """The address of the one to read."""
    if len(settings.clickhouse) == 1:
        return settings.clickhouse[0]
    return chosen(replicas(settings)).url
