"""Quix Streams with state: RocksDB and a changelog topic, at least once, as it comes."""

from typing import Any

from quixstreams import Application, State

from tests.benchmarks.peers.progress import TOPIC, Call, Progress
from tests.benchmarks.peers.work import Slate, folded


def main() -> None:
    call = Call.from_arguments()
    progress, slate = Progress(call.events), Slate(call.folder)

    def fold(event: dict[str, Any], state: State) -> bytes | None:
        if not progress.take():
            return None
        before = state.get_bytes("history", b"")
        after = folded(before, event)
        if after is not before:
            state.set_bytes("history", after)
        return slate.of(event["user_id"], event["event_id"])

    app = Application(
        broker_address=call.broker,
        consumer_group=call.output,
        auto_offset_reset="earliest",
        state_dir=call.folder / "state",
        loglevel="WARNING",
    )
    events = app.topic(TOPIC, key_deserializer="bytes")
    output = app.topic(call.output, key_serializer="bytes", value_serializer="bytes")
    frame = app.dataframe(events)
    frame = frame.apply(fold, stateful=True)
    frame = frame[frame.apply(lambda value: value is not None)]
    frame.to_topic(output)
    app.run()


if __name__ == "__main__":
    main()
