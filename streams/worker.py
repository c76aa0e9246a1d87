"""One worker process: `python -m streams.worker STAGE`.

Builds the Faust app of one stage and runs it until SIGTERM. Anything fatal ends the process at
once with an exit code of its own (streams/lane/errors.py); whoever supervises it starts it again.
"""

import atexit
import faulthandler
import gc
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import faust
from confluent_kafka import KafkaException
from faust.app.base import BootStrategy
from mode import ServiceT
from prometheus_client import start_http_server
from pydantic import ValidationError

from schemas.topics import BY_NAME, Partitions
from streams.lane import clients
from streams.lane.checkpoint import Checkpoint, TransactionalCheckpoint
from streams.lane.contract import Batch, Stage, Stateless
from streams.lane.errors import LaneError, TopicError
from streams.lane.lane import Lane
from streams.lane.offsets import OffsetCheckpoint
from streams.lane.opening import Opening
from streams.lane.transport import BatchSchema, Transport
from streams.settings import Settings, settings_sentence
from streams.topology import GRAPH, Node, copies

log = logging.getLogger("tidemill")

_TIMEOUT_S = 30.0


class App(faust.App):
    """A Faust app whose records come through a lane."""

    lane_transport: Transport

    def _new_transport(self) -> Transport:
        return self.lane_transport

    def on_init_dependencies(self) -> Iterable[ServiceT]:
        needed: Iterable[ServiceT] = super().on_init_dependencies()
        # It would count what streams/metrics.py counts, for 3 % of the event loop.
        self.sensors.remove(self.monitor)
        return needed


class _NoProducer(BootStrategy):
    """The lane has producers of its own."""

    enable_kafka_producer = False


def build(node: Node, stage: Stage, settings: Settings) -> App:
    """The Faust app of one stage."""
    group = node.group_of(settings.archive_replica if node.name == "archive" else 1)
    app = App(
        group,
        broker=f"kafka://{settings.kafka}",
        web_enabled=False,
        topic_disable_leader=True,
        datadir=tempfile.gettempdir(),
        loghandlers=[],
    )
    app.boot_strategy = _NoProducer(app)
    app.conf.stream_wait_empty = False
    checkpoint = _checkpoint(node, group, stage, settings)
    along = tuple(topic.name for topic in node.reads_along)
    lane = Lane(
        stage,
        node.name,
        checkpoint,
        lambda topic: (*copies(BY_NAME[topic], settings.peers), *along),
        Opening(checkpoint, stage, settings, to_the_end=along),
        settings,
        fatal,
    )
    app.lane_transport = Transport(app, lane, group, partition_counts(settings, node))
    names = [topic.name for topic in node.reads]

    @app.agent(app.topic(*names, schema=BatchSchema(), acks=False), name=node.name)
    async def _agent(batches: Any) -> None:
        stream: AsyncIterable[Batch] = batches.noack()
        async for batch in stream:
            lane.run(batch)

    return app


def _checkpoint(node: Node, group: str, stage: Stage, settings: Settings) -> Checkpoint:
    if node.commits == "transaction":
        return TransactionalCheckpoint(settings, group, _state_dir(settings))
    return OffsetCheckpoint(settings, group, stage.sink if isinstance(stage, Stateless) else None)


def _state_dir(settings: Settings) -> Path:
    """Where the stores are; without a setting in a folder that goes with this process."""
    if settings.state_dir:
        return Path(settings.state_dir)
    folder = tempfile.mkdtemp(prefix="tidemill-state-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def partition_counts(settings: Settings, node: Node) -> Mapping[str, int]:
    """How many partitions each topic of the group has. Raises TopicError where one that this node
    uses is missing or has another number than it must.
    """
    found = clients.administrator(settings).list_topics(timeout=_TIMEOUT_S)
    counts: dict[str, int] = {}
    for topic in (*node.reads, *node.reads_along, *node.writes):
        for name in copies(topic, settings.peers) if topic in node.reads else (topic.name,):
            if name not in found.topics:
                raise TopicError(f"topic {name} does not exist; `tidemill topics` creates it")
            count = len(found.topics[name].partitions)
            if topic.partitions is Partitions.BY_USER and count != settings.partitions:
                raise TopicError(
                    f"topic {name} has {count} partitions,"
                    f" TIDEMILL_PARTITIONS says {settings.partitions}"
                )
            counts.setdefault(topic.name, count)
    return {topic.name: counts[topic.name] for topic in node.reads}


def fatal(error: BaseException) -> NoReturn:
    """Leave at once: what was in hand is read again from the last commit."""
    told = isinstance(error, LaneError) and error.__cause__ is None
    log.critical("%s: %s", type(error).__name__, error, exc_info=None if told else error)
    logging.shutdown()
    sys.stderr.flush()
    os._exit(error.exit_code if isinstance(error, LaneError) else LaneError.exit_code)


def main(arguments: Sequence[str]) -> None:
    if len(arguments) != 1 or arguments[0] not in GRAPH:
        sys.exit(f"usage: python -m streams.worker {'|'.join(GRAPH)}")
    try:
        settings = Settings()
    except ValidationError as error:
        print(settings_sentence(error), file=sys.stderr)  # noqa: T201
        sys.exit(2)
    faulthandler.enable()  # a crash in a native library should say where it was
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("faust").setLevel(logging.WARNING)
    logging.getLogger("mode").setLevel(logging.WARNING)
    node = GRAPH[arguments[0]]
    try:
        app = build(node, _stage(node, settings), settings)
    except (LaneError, KafkaException) as error:
        fatal(error)
    start_http_server(settings.metrics_port, addr="127.0.0.1")
    # What lives from here on lives for ever: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
    worker = faust.Worker(
        app, loglevel="info", override_logging=False, redirect_stdouts=False, quiet=True
    )
    worker.execute_from_commandline()


def _stage(node: Node, settings: Settings) -> Stage:
    """Stages are imported when they are run, so `archive` needs no Triton client."""
    if node.name == "recommend":
        from streams.stages.recommend import Recommend  # noqa: PLC0415

        return Recommend(node, settings, fatal)
    if node.name == "catalogue":
        from streams.stages.catalogue import Catalogue  # noqa: PLC0415

        return Catalogue(node, settings, fatal)
    from streams.stages.archive import Archive  # noqa: PLC0415

    return Archive(settings)


if __name__ == "__main__":
    main(sys.argv[1:])
