"""`python -m infra.keep_mirror KAFKA PEERS COMMAND...`: MirrorMaker, begun anew if it gave up.

PEERS is a JSON object: the Kafka of each region that is mirrored.

Kafka Connect starts no task again that failed: the process lives, its port answers, and nothing
crosses. So ends a mirror that was away from the cluster it writes to, or asleep, for longer than
its transaction may last. This process is MirrorMaker's parent. It reads in that cluster what
Connect says of its tasks, and where one failed it begins MirrorMaker anew, which goes on where it
was. So it does where a topic was deleted and made again, and the place in it means nothing any
more; what the mirror lost it remembers (`infra.mirror_watch`).

It ends when MirrorMaker ends, with its exit code, and takes it along however it ends itself.
Started by `infra.local.mirror`.
"""

import json
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from confluent_kafka import KafkaException

from infra.broker import BrokerError
from infra.local.mirror import failed
from infra.mirror_watch import Watch
from infra.supervise.signals import ends_with_parent, received
from streams.lane.errors import LaneError

log = logging.getLogger("tidemill")

LOOK_S = 5.0
"""Looking costs a few milliseconds; a region is deaf for so much longer."""

Failed = Callable[[int], Sequence[str]]
"""Given since when, in ms: why it cannot go on as it is."""


def keep(
    command: Sequence[str],
    failures: Failed,
    mend: Callable[[], None] = lambda: None,
    *,
    look_s: float = LOOK_S,
) -> int:
    """Returns the exit code of the last process of this command, when that ended by itself or
    by a signal that came here. `mend` is called before each begin, while none runs.
    """
    mend()
    with received(signal.SIGTERM, signal.SIGINT, signal.SIGCHLD) as signals:
        process, began_ms = _begun(command)
        is_wanted = True
        while (code := process.poll()) is None:
            if signals.wait(look_s) & {signal.SIGTERM, signal.SIGINT}:
                is_wanted = False
                process.terminate()
            if is_wanted and (said := failures(began_ms)):
                log.warning("MirrorMaker begins anew: %s", ", ".join(said))
                process.kill()
                process.wait()
                mend()
                process, began_ms = _begun(command)
        return code


def _begun(command: Sequence[str]) -> tuple["subprocess.Popen[bytes]", int]:
    """It keeps nothing on disk, so that SIGKILL does it no harm."""
    began_ms = time.time_ns() // 1_000_000
    return subprocess.Popen(command, preexec_fn=ends_with_parent(signal.SIGKILL)), began_ms  # noqa: PLW1509 - there are no threads


def main(arguments: Sequence[str]) -> None:
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    kafka, told, *command = arguments
    peers: dict[str, str] = json.loads(told)
    watch = Watch(kafka, peers)

    def failures(since_ms: int) -> Sequence[str]:
        found = watch.look()
        with suppress(BrokerError, KafkaException, LaneError):
            # Otherwise the cluster is away, or nothing was said yet.
            found += [f"{one} failed" for one in failed(kafka, peers, since_ms)]
        return found

    sys.exit(keep(command, failures, watch.mend))


if __name__ == "__main__":
    main(sys.argv[1:])
