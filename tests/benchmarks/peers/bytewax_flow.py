"""Bytewax with state, its recovery store included, in one worker.

State lives in memory; a snapshot of what changed goes to its recovery store (SQLite) every epoch of
10 s, its default.
"""

from datetime import timedelta

import orjson
from bytewax import operators as op
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main

from tests.benchmarks.peers.progress import TOPIC, Call, Progress
from tests.benchmarks.peers.work import Slate, folded

_EPOCH = timedelta(seconds=10)


def flow(call: Call) -> Dataflow:
    progress, slate = Progress(call.events), Slate(call.folder)

    def decoded(message: KafkaSourceMessage) -> tuple[str, dict] | None:
        if not progress.take():
            return None
        event = orjson.loads(message.value)
        return event["user_id"], event

    def fold(history: bytes | None, event: dict) -> tuple[bytes, bytes]:
        return folded(history or b"", event), slate.of(event["user_id"], event["event_id"])

    def record(pair: tuple[str, bytes]) -> KafkaSinkMessage:
        return KafkaSinkMessage(pair[0].encode(), pair[1])

    graph = Dataflow("peer")
    source = op.input("in", graph, KafkaSource([call.broker], [TOPIC], batch_size=1000))
    events = op.filter_map("decode", source, decoded)
    slates = op.stateful_map("fold", events, fold)
    records = op.map("record", slates, record)
    op.output("out", records, KafkaSink([call.broker], call.output))
    return graph


def main() -> None:
    call = Call.from_arguments()
    store = call.folder / "recovery"
    store.mkdir()
    init_db_dir(store, 1)
    cli_main(flow(call), epoch_interval=_EPOCH, recovery_config=RecoveryConfig(store))


if __name__ == "__main__":
    main()
