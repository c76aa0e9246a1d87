"""Kafka topics as `schemas.topics` declares them: create, check, and start over (tests).

Called by `tidemill topics`, by `tidemill up` before the workers start, and by tests. `create` is
safe to repeat; it never changes a number of partitions, because that would move users.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
)

from schemas.topics import TOPICS, mirrored_name

_TIMEOUT_S = 30.0
_POLL_S = 0.02


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
    """Create what is missing and set the configuration of what is there; the names created.

    Returns when every topic can be used, so that a worker that starts next finds them all.
    """
    admin = _admin(bootstrap)
    every = list(wanted(partitions, region, peers))
    there = _existing(admin)
    created = _create(admin, [topic for topic in every if topic.name not in there])
    _until(admin, lambda there: all(topic.name in there for topic in every))
    found = _configs(admin, [topic.name for topic in every])
    for topic in every:
        if _differing(topic, found.get(topic.name, {})):
            _set_config(admin, topic)
    return created


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
        if topic.name not in found:
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
    every = list(wanted(partitions, region, peers))
    deadline_s = time.monotonic() + _TIMEOUT_S
    while True:
        _delete_groups(admin, deadline_s)
        old = [name for name in _existing(admin) if not name.startswith("__")]
        _delete(admin, old)
        _until(admin, partial(_without, old))
        # A broker's list may lag behind what was just created: then some were not deleted.
        if len(_create(admin, every)) == len(every):
            break
        if time.monotonic() > deadline_s:
            raise TopicsError("somebody else creates topics in this cluster; stop that first")
    _until(admin, lambda there: {topic.name for topic in every} <= there.keys())


def _admin(bootstrap: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})


def _existing(admin: AdminClient) -> dict[str, int]:
    """Name -> number of partitions."""
    try:
        topics = admin.list_topics(timeout=_TIMEOUT_S).topics
    except KafkaException as error:
        raise TopicsError(f"Kafka does not answer: {error}; is it running?") from error
    return {name: len(topic.partitions) for name, topic in topics.items()}


def _until(admin: AdminClient, condition: Callable[[dict[str, int]], bool]) -> None:
    """A change is answered before every reader of the metadata sees it; wait until it is seen."""
    deadline_s = time.monotonic() + _TIMEOUT_S
    while not condition(_existing(admin)):
        if time.monotonic() > deadline_s:
            raise TopicsError(f"Kafka did not show a change of topics within {_TIMEOUT_S:.0f} s")
        time.sleep(_POLL_S)


def _without(names: Iterable[str], there: Mapping[str, int]) -> bool:
    return there.keys().isdisjoint(names)


def _create(admin: AdminClient, topics: list[Wanted]) -> tuple[str, ...]:
    """The names that were created; one that was there already is not among them."""
    if not topics:
        return ()
    new = [NewTopic(topic.name, topic.partitions, config=topic.config) for topic in topics]
    answers = admin.create_topics(new, operation_timeout=_TIMEOUT_S)
    return _done(answers, "create", already=KafkaError.TOPIC_ALREADY_EXISTS)


def _delete(admin: AdminClient, names: list[str]) -> None:
    if names:
        answers = admin.delete_topics(names, operation_timeout=_TIMEOUT_S)
        _done(answers, "delete", already=KafkaError.UNKNOWN_TOPIC_OR_PART)


def _configs(admin: AdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    """Of those that are there."""
    if not names:
        return {}
    resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
    answers = admin.describe_configs(resources, request_timeout=_TIMEOUT_S)
    named = {resource.name: answer for resource, answer in answers.items()}
    there = _done(named, "describe", already=KafkaError.UNKNOWN_TOPIC_OR_PART)
    return {
        name: {entry.name: entry.value for entry in named[name].result().values()} for name in there
    }


def _differing(topic: Wanted, found: dict[str, str]) -> dict[str, str]:
    """Name -> what the cluster has instead."""
    return {
        name: found[name]
        for name in topic.config
        if name in found and found[name] != topic.config[name]
    }


def _set_config(admin: AdminClient, topic: Wanted) -> None:
    entries = [
        ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        for name, value in topic.config.items()
    ]
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic.name, incremental_configs=entries)
    answers = admin.incremental_alter_configs([resource])
    _done({key.name: answer for key, answer in answers.items()}, "configure")


def _delete_groups(admin: AdminClient, deadline_s: float) -> None:
    while groups := [group.group_id for group in admin.list_consumer_groups().result().valid]:
        answers = admin.delete_consumer_groups(groups)
        try:
            _done(answers, "delete the group", already=KafkaError.GROUP_ID_NOT_FOUND)
        except TopicsError:
            # Who was killed stays in his group until his session is over.
            if time.monotonic() > deadline_s:
                raise
            time.sleep(_POLL_S)
        else:
            return


def _done(
    answers: Mapping[str, Future[Any]], verb: str, already: int | None = None
) -> tuple[str, ...]:
    """The names for which it was done; `already` is the refusal that means it was so before."""
    done = []
    for name, answer in answers.items():
        try:
            answer.result()
        except KafkaException as error:
            if error.args[0].code() == already:
                continue
            raise TopicsError(f"cannot {verb} {name}: {error.args[0].str()}") from error
        done.append(name)
    return tuple(done)
