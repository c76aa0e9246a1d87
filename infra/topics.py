"""Kafka topics as `schemas.topics` declares them: create, check, and start over (tests).

Called by `tidemill topics`, by `tidemill up` before the workers start, and by tests. `create` is
safe to repeat; it never changes a number of partitions, because that would move users.
"""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
)

from schemas.topics import TOPICS, mirrored_name

_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Wanted:
    """One topic as it should stand in a region's cluster."""

    name: str
    partitions: int
    config: dict[str, str]


@dataclass(frozen=True)
class Difference:
    """Where a cluster is not as declared."""

    topic: str
    what: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.what} is {self.found}, expected {self.expected}"


class TopicsError(Exception):
    """The cluster refused or did not answer; says which topic and why. Repeating is safe."""


def wanted(partitions: int, region: str, peers: Iterable[str] = ()) -> Iterator[Wanted]:
    """Each declared topic, and a copy of each mirrored one for every peer."""
    for topic in TOPICS:
        count = topic.partitions.count(partitions)
        yield Wanted(topic.name, count, topic.config())
        for peer in peers:
            if peer == region:
                raise TopicsError(f"region {region} cannot be a peer of itself; check the peers")
            if topic.mirrored:
                yield Wanted(mirrored_name(peer, topic), count, topic.mirrored_config())


def create(
    bootstrap: str, partitions: int, region: str, peers: Iterable[str] = ()
) -> tuple[str, ...]:
    """Create what is missing and set the configuration of what is there; the names created."""
    admin = _admin(bootstrap)
    every = list(wanted(partitions, region, peers))
    there = _existing(admin)
    missing = [topic for topic in every if topic.name not in there]
    _create(admin, missing)
    found = _configs(admin, [topic.name for topic in every])
    changed = [topic for topic in every if _differing(topic, found[topic.name])]
    for topic in changed:
        _set_config(admin, topic)
    return tuple(topic.name for topic in missing)


def check(
    bootstrap: str, partitions: int, region: str, peers: Iterable[str] = ()
) -> list[Difference]:
    """Missing topics, other numbers of partitions, other configuration; empty where all fits."""
    admin = _admin(bootstrap)
    there = _existing(admin)
    every = list(wanted(partitions, region, peers))
    found = _configs(admin, [topic.name for topic in every if topic.name in there])
    differences = []
    for topic in every:
        if topic.name not in there:
            differences.append(Difference(topic.name, "the topic", "there", "missing"))
            continue
        if there[topic.name] != topic.partitions:
            differences.append(
                Difference(topic.name, "partitions", str(topic.partitions), str(there[topic.name]))
            )
        differences += [
            Difference(topic.name, name, topic.config[name], value)
            for name, value in _differing(topic, found[topic.name]).items()
        ]
    return differences


def recreate(bootstrap: str, partitions: int, region: str, peers: Iterable[str] = ()) -> None:
    """Delete every topic and consumer group but Kafka's own, then create the declared topics."""
    admin = _admin(bootstrap)
    _delete_groups(admin)
    old = [name for name in _existing(admin) if not name.startswith("__")]
    if old:
        _done(admin.delete_topics(old, operation_timeout=_TIMEOUT_S), "delete")
    _create(admin, list(wanted(partitions, region, peers)))


def _admin(bootstrap: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})


def _existing(admin: AdminClient) -> dict[str, int]:
    """Name -> number of partitions."""
    try:
        topics = admin.list_topics(timeout=_TIMEOUT_S).topics
    except KafkaException as error:
        raise TopicsError(f"Kafka does not answer: {error}; is it running?") from error
    return {name: len(topic.partitions) for name, topic in topics.items()}


def _create(admin: AdminClient, topics: list[Wanted]) -> None:
    if topics:
        new = [NewTopic(topic.name, topic.partitions, config=topic.config) for topic in topics]
        _done(admin.create_topics(new, operation_timeout=_TIMEOUT_S), "create")


def _configs(admin: AdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
    answers = admin.describe_configs(resources, request_timeout=_TIMEOUT_S)
    return {
        resource.name: {entry.name: entry.value for entry in answer.result().values()}
        for resource, answer in answers.items()
    }


def _differing(topic: Wanted, found: dict[str, str]) -> dict[str, str]:
    """Name -> what the cluster has instead."""
    return {name: found[name] for name in topic.config if found[name] != topic.config[name]}


def _set_config(admin: AdminClient, topic: Wanted) -> None:
    entries = [
        ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        for name, value in topic.config.items()
    ]
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic.name, incremental_configs=entries)
    answers = admin.incremental_alter_configs([resource])
    _done({key.name: answer for key, answer in answers.items()}, "configure")


def _delete_groups(admin: AdminClient) -> None:
    groups = [group.group_id for group in admin.list_consumer_groups().result().valid]
    if groups:
        _done(admin.delete_consumer_groups(groups), "delete the group")


def _done(futures: Mapping[str, Future[object]], verb: str) -> None:
    for name, future in futures.items():
        try:
            future.result()
        except KafkaException as error:
            raise TopicsError(f"cannot {verb} {name}: {error}") from error
