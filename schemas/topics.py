"""Every topic as data: what is in it, how it is kept, whether it crosses to the other region.

`tidemill topics` creates exactly these, and a mirrored copy `<peer>.<name>` of each mirrored one.
"""

from dataclasses import dataclass
from enum import Enum

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
KIB = 1024
MAX_EVENT_BYTES = 256 * KIB
"""A larger user event is dead-lettered."""
MAX_BATCH_BYTES = 1024 * KIB
"""What the broker itself refuses; it looks at the batch as its client compressed it."""


class Partitions(Enum):
    """How many partitions a topic has."""

    BY_USER = "by_user"
    """As many as the setting TIDEMILL_PARTITIONS says: keyed by user, co-partitioned."""
    ONE = 1
    FOUR = 4

    def count(self, by_user: int) -> int:
        return by_user if self is Partitions.BY_USER else self.value


@dataclass(frozen=True)
class Topic:
    """One topic's declaration. `message` is the schema's name, None where the bytes are binary
    or belong to somebody else.
    """

    name: str
    key: str
    message: str | None
    owner: str
    partitions: Partitions = Partitions.ONE
    compacted: bool = False
    retention_ms: int | None = None
    append_time: bool = False
    mirrored: bool = False
    archived: bool = True

    def config(self) -> dict[str, str]:
        """The topic-level settings that Tidemill answers for, as Kafka names them."""
        config = {
            "cleanup.policy": "compact" if self.compacted else "delete",
            "message.timestamp.type": "LogAppendTime" if self.append_time else "CreateTime",
            "max.message.bytes": str(MAX_BATCH_BYTES),
        }
        if self.retention_ms is not None:
            config["retention.ms"] = str(self.retention_ms)
        return config

    def mirrored_config(self) -> dict[str, str]:
        """The same for the copy of another region's topic, which keeps the source's times."""
        return self.config() | {
            "message.timestamp.type": "CreateTime",
            # The mirror packs batches anew, so a copy may need more room than its source had.
            "max.message.bytes": str(2 * MAX_BATCH_BYTES),
        }


USER_EVENTS = Topic(
    name="user-events",
    key="user_id",
    message="user-event",
    owner="producers",
    partitions=Partitions.BY_USER,
    retention_ms=7 * DAY_MS,
    append_time=True,
    mirrored=True,
)
ITEM_UPDATES = Topic(
    name="item-updates",
    key="item_id",
    message="item-update",
    owner="producers",
    partitions=Partitions.FOUR,
    compacted=True,
    append_time=True,
    mirrored=True,
)
ITEM_VECTORS = Topic(
    name="item-vectors",
    key="model/version/item_id",
    message=None,
    owner="catalogue",
    partitions=Partitions.FOUR,
    compacted=True,
)
RECOMMENDATIONS = Topic(
    name="recommendations",
    key="user_id",
    message="recommendation",
    owner="recommend",
    partitions=Partitions.BY_USER,
    retention_ms=7 * DAY_MS,
    mirrored=True,
)
DEAD_LETTERS = Topic(
    name="user-events.dead-letter",
    key="the refused record's key",
    message=None,
    owner="recommend, catalogue",
    partitions=Partitions.FOUR,
    retention_ms=30 * DAY_MS,
)
STATE_CHANGELOG = Topic(
    name="user-state.changelog",
    key="type byte + user_id",
    message=None,
    owner="recommend",
    partitions=Partitions.BY_USER,
    compacted=True,
    archived=False,
)
STATE_JOINS = Topic(
    name="user-state.joins",
    key="user_id",
    message=None,
    owner="infra",
    partitions=Partitions.BY_USER,
    retention_ms=7 * DAY_MS,
    archived=False,
)
STATE_DIGESTS = Topic(
    name="state-digests",
    key="region + partition",
    message="state-digest",
    owner="recommend",
    retention_ms=DAY_MS,
    mirrored=True,
)
MODEL_RELEASES = Topic(
    name="model-releases",
    key="model name",
    message="model-release",
    owner="infra",
    compacted=True,
    mirrored=True,
)
EXPERIMENTS = Topic(
    name="experiments",
    key="experiment name",
    message="experiment",
    owner="infra",
    compacted=True,
    mirrored=True,
)
REGION_OWNERSHIP = Topic(
    name="region-ownership",
    key="origin region",
    message="ownership",
    owner="infra",
    compacted=True,
    mirrored=True,
)

TOPICS = (
    USER_EVENTS, ITEM_UPDATES, ITEM_VECTORS, RECOMMENDATIONS, DEAD_LETTERS, STATE_CHANGELOG,
    STATE_JOINS, STATE_DIGESTS, MODEL_RELEASES, EXPERIMENTS, REGION_OWNERSHIP,
)  # fmt: skip
BY_NAME = {topic.name: topic for topic in TOPICS}
CONTROL = (REGION_OWNERSHIP, MODEL_RELEASES, EXPERIMENTS)


def mirrored_name(region: str, topic: Topic) -> str:
    """What MirrorMaker's default policy calls a topic of another region here."""
    return f"{region}.{topic.name}"
