"""Stock Faust: an agent and a table in memory with its changelog topic, as its tutorial has it."""

import sys

import faust

from tests.benchmarks.peers.progress import PARTITIONS, TOPIC, Call, Progress
from tests.benchmarks.peers.work import Slate, folded


def main() -> None:
    call = Call.from_arguments()
    progress, slate = Progress(call.events), Slate(call.folder)
    app = faust.App(
        call.output,
        broker=f"kafka://{call.broker}",
        store="memory://",
        topic_partitions=PARTITIONS,
        web_enabled=False,
        topic_disable_leader=True,
        datadir=str(call.folder),
    )
    events = app.topic(TOPIC, key_type=bytes, value_serializer="json")
    output = app.topic(call.output, key_type=bytes, value_type=bytes)
    histories = app.Table("histories", key_type=str, value_type=bytes)

    @app.agent(events)
    async def _fold(stream: faust.StreamT) -> None:
        async for event in stream:
            if not progress.take():
                continue
            user_id = event["user_id"]
            before = histories.get(user_id, b"")
            after = folded(before, event)
            if after is not before:
                histories[user_id] = after
            await output.send(key=user_id.encode(), value=slate.of(user_id, event["event_id"]))

    sys.argv = [sys.argv[0], "worker", "--loglevel=warn"]
    app.main()


if __name__ == "__main__":
    main()
