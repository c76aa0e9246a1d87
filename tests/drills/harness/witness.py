"""A topic whose broker forgets: all that ever was in it, for who must judge it all the same."""

from contextlib import closing

from confluent_kafka import TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    OffsetSpec,
)

from tests.drills.check import logs
from tests.drills.check.inputs import Feed, Gone, Inputs, Read
from tests.drills.check.logs import Logs


class Witness:
    """Of a feed that no transaction writes to, so its offsets have no holes. `look` often enough:
    nothing may be removed that it has not seen.
    """

    def __init__(self, bootstrap: str, inputs: Inputs, feed: Feed) -> None:
        self._bootstrap, self._inputs, self._feed = bootstrap, inputs, feed
        admin = logs.administrator(bootstrap)
        self._id = logs.topic_ids(admin, feed.topic)[feed.topic]
        self._seen: dict[int, list[Read]] = {n: [] for n in range(inputs.partitions)}

    def look(self) -> None:
        with closing(Logs(self._bootstrap)) as reader:
            for number, seen in self._seen.items():
                begin = len(seen) or None
                for message in reader.records(self._feed.topic, number, begin):
                    assert message.offset() == len(seen), "removed before it was seen"
                    seen.append(self._inputs.understood(message, self._id))

    def starts(self) -> dict[int, int]:
        """Partition -> the first offset that the broker still has."""
        admin = logs.administrator(self._bootstrap)
        asked = {TopicPartition(self._feed.topic, n): OffsetSpec.earliest() for n in self._seen}
        found = admin.list_offsets(asked, request_timeout=logs.ANSWER_S)
        return {part.partition: answer.result().offset for part, answer in found.items()}

    def ids(self, partition: int, begin: int, end: int) -> list[str]:
        """Of the events between two offsets."""
        seen = self._seen[partition][begin:end]
        return [read.event.event_id for read in seen if read.event is not None]

    def remember(self) -> None:
        """Let who judges know of what is removed by now."""
        starts = self.starts()
        removed = {number: seen[: starts[number]] for number, seen in self._seen.items()}
        self._inputs.gone.append(Gone(self._feed.topic, removed))


def configure(bootstrap: str, topic: str, config: dict[str, str | None]) -> None:
    """None: the broker's default again."""
    admin: AdminClient = logs.administrator(bootstrap)
    entries = [
        ConfigEntry(
            name, value,
            incremental_operation=AlterConfigOpType.SET if value is not None
            else AlterConfigOpType.DELETE,
        )
        for name, value in config.items()
    ]  # fmt: skip
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=entries)
    admin.incremental_alter_configs([resource])[resource].result()
