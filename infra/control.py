"""Control topics from outside a worker: what they say, and how a command writes to them.

Own and mirrored copies are read to their ends, so what is returned is what every worker of this
region knows or is about to know. Called by `up`, `status`, `release` and `recommend`.
"""

import uuid
from collections.abc import Iterator

import msgspec

from infra.broker import Sender, read_whole
from schemas.codec import RefusedError, encode, schema_header
from schemas.control import Ownership
from schemas.topics import MODEL_RELEASES, REGION_OWNERSHIP, Topic
from streams.catalogue.releases import Releases
from streams.region.copies import Copy
from streams.region.ownership import Ownerships, first_record
from streams.settings import Settings
from streams.topology import copies, origins


def read(settings: Settings, topic: Topic) -> Iterator[Copy]:
    """Every record of every copy of a topic. Raises BrokerError."""
    origin_of = origins(topic, settings.region, settings.peers)
    for message in read_whole(settings, copies(topic, settings.peers)):
        yield Copy(
            message.topic(),
            origin_of[message.topic()],
            message.partition(),
            message.offset(),
            message.timestamp()[1],
            message.key(),
            message.value(),
            message.headers() or [],
        )


def ownerships(settings: Settings) -> Ownerships:
    """Who owns what; a record that cannot be used is left out, as a worker does."""
    found = Ownerships()
    for copy in read(settings, REGION_OWNERSHIP):
        try:
            found.apply(copy)
        except RefusedError:
            continue
    return found


def releases(settings: Settings) -> Releases:
    """Which release of each model holds."""
    found = Releases()
    for copy in read(settings, MODEL_RELEASES):
        try:
            found.apply(copy)
        except RefusedError:
            continue
    return found


def write(settings: Settings, topic: Topic, key: str, message: msgspec.Struct) -> None:
    """Returns when the broker has the record. Raises BrokerError."""
    assert topic.message is not None
    with Sender(settings) as sender:
        sender.send(topic.name, key.encode(), encode(message), [schema_header(topic.message)])


def own_first(settings: Settings) -> Ownership | None:
    """Make this region the owner of its own events, if no copy of the topic says anything of
    them yet. Returns the record that was written. Raises RefusedError where one is unreadable.
    """
    command_id = f"up-{uuid.uuid4()}"
    record = first_record(settings.region, settings.region_number, ownerships(settings), command_id)
    if record is not None:
        write(settings, REGION_OWNERSHIP, record.origin, record)
    return record
