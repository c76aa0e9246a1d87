"""How a command writes to `region-ownership`: in a transaction, and only if nobody came after it.

The transactional id is the same for every command on a cluster: who begins fences whoever was there
before, whatever he still has in hand, and settles what he left open. So of two operators at once
the first is told, and no record is written from what is no longer true.
"""

import logging
import time
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaError, KafkaException

from infra.failover.problems import FailoverError, OvertakenError
from schemas.codec import encode, schema_header
from schemas.control import Ownership
from schemas.topics import REGION_OWNERSHIP
from streams.lane import clients
from streams.lane.contract import Produced
from streams.lane.errors import DeadlineError
from streams.lane.writing import produce, until
from streams.settings import Settings

TRANSACTIONAL_ID = "tidemill-region-ownership"
_DEADLINE_S = 30.0
_TRANSACTION_MS = 10_000
"""A command that dies with a transaction open holds readers of the topic back for so long, or until
it is run again.
"""
_QUIET = logging.getLogger(f"{__name__}.librdkafka")
"""It says that it was fenced at every level of its log; a person is told in one sentence."""
_QUIET.addHandler(logging.NullHandler())
_QUIET.propagate = False
_FENCED = (
    KafkaError._FENCED,  # noqa: SLF001
    KafkaError.PRODUCER_FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
)


class Writer:
    """A context: entering it fences the one before. Read what holds behind that, then write."""

    def __init__(self, settings: Settings) -> None:
        self.cluster = settings
        self._producer = clients.transactional_producer(
            settings.model_copy(update={"commit_deadline_ms": _TRANSACTION_MS}),
            TRANSACTIONAL_ID,
            logger=_QUIET,
        )

    def __enter__(self) -> Self:
        """Raises FailoverError."""
        self._do("fencing of region-ownership", self._producer.init_transactions)
        return self

    def write(self, record: Ownership) -> None:
        """Returns when the record is committed. Raises OvertakenError, FailoverError."""
        assert REGION_OWNERSHIP.message is not None
        written = Produced(
            REGION_OWNERSHIP.name,
            record.origin.encode(),
            encode(record),
            [schema_header(REGION_OWNERSHIP.message)],
        )
        self._producer.begin_transaction()
        produce(self._producer, [written], time.monotonic() + _DEADLINE_S)
        self._do("writing region-ownership", self._producer.commit_transaction)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._producer.purge()

    def _do(self, what: str, step: object) -> None:
        try:
            until(time.monotonic() + _DEADLINE_S, what, step)  # type: ignore[arg-type]
        except DeadlineError as error:
            raise FailoverError(
                f"{error} Whether the record of {self.cluster.region} is written is not known:"
                " run the command again"
            ) from error
        except KafkaException as raised:
            if raised.args[0].code() in _FENCED:
                raise OvertakenError(
                    f"another operator's command on the cluster of {self.cluster.region} came"
                    " after this one and fenced it; this one wrote nothing more:"
                    " `tidemill region status` says who owns what"
                ) from raised
            raise FailoverError(f"{what} failed: {raised.args[0]}") from raised
