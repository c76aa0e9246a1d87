"""Which errors are told in one line, and which of them mean a wrong setting.

Imported only when something went wrong: it knows the errors of all the packages.
"""

from typing import NamedTuple

from clickhouse_driver.errors import Error as ClickHouseError
from confluent_kafka import KafkaException
from pydantic import ValidationError

from inference.errors import InferenceError
from infra.backup.problems import BackupError
from infra.broker import BrokerError
from infra.clickhouse.migrate import MigrationError
from infra.failover.problems import FailoverError
from infra.local.problems import LocalError
from infra.topics import TopicsError
from schemas.codec import RefusedError
from streams.lane.errors import LaneError
from streams.settings import settings_sentence
from streams.state.store import StoreError

FAILED, WRONG = 1, 2
_TOLD = (
    LocalError, InferenceError, BrokerError, MigrationError, TopicsError, RefusedError, LaneError,
    KafkaException, ClickHouseError, BackupError, StoreError, FailoverError, OSError,
)  # fmt: skip


class Failure(NamedTuple):
    exit_code: int
    sentence: str


def failure_of(error: Exception) -> Failure | None:
    """None for an error that nobody expected: its traceback is wanted."""
    if isinstance(error, ValidationError):
        return Failure(WRONG, settings_sentence(error))
    if not isinstance(error, _TOLD):
        return None
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return Failure(FAILED, lines[0] if lines else type(error).__name__)
