"""`python -m infra.watch_standby`: a region's readiness as metrics, for as long as it runs.

It finds out again and again what `tidemill region status` finds out once, from Kafka alone, and
keeps nothing: one that starts anew reads the lists of two rotations and goes on. It writes nothing,
owns nothing, and no event waits for it. Settings are a worker's; TIDEMILL_METRICS_PORT says where
it is asked. Started by `tidemill up` where a region has peers.
"""

import logging
import sys
import threading
import time

from prometheus_client import start_http_server
from pydantic import ValidationError

from infra import standby_metrics as told
from infra.peer_lists import PeerLists
from infra.standby import Origin, Readiness, readiness
from streams.settings import Settings, settings_sentence

log = logging.getLogger("tidemill")

_EVERY_S = 10.0


def watch(settings: Settings, ended: threading.Event) -> None:
    """Look until it is ended."""
    lists = PeerLists(settings)
    problem: str | None = None
    while True:
        found = readiness(settings, lists)
        show(settings, found)
        if found.problem not in (None, problem):
            log.warning("region %s does not answer: %s", found.region, found.problem)
        problem = found.problem
        if ended.wait(_EVERY_S):
            return


def show(settings: Settings, found: Readiness) -> None:
    """Replace what is told. Where the region does not answer it is ready for nothing, and the time
    of the last look stays.
    """
    for gauge in (told.AGAINST, told.BEHIND, told.HEARD_TIME, told.COMPARED_USERS):
        gauge.clear()
    if found.problem is not None:
        for origin in (settings.region, *settings.peers):
            told.READY.labels(origin).set(0)
        return
    for one in found.origins:
        _show(one)
    told.SAMPLED.labels("scored").set(found.sampled.scored)
    told.SAMPLED.labels("failed").set(found.sampled.failed)
    told.LOOKED_TIME.set(time.time())


def _show(one: Origin) -> None:
    told.READY.labels(one.origin).set(not one.reasons)
    for reason in one.reasons:
        told.AGAINST.labels(one.origin, reason.about).set(1)
    for partition in one.partitions:
        told.BEHIND.labels(one.origin, str(partition.partition)).set(partition.behind)
    if one.heard_s is not None:
        told.HEARD_TIME.labels(one.origin).set(time.time() - one.heard_s)
    if (users := one.users) is not None:
        counts = {
            "equal": users.equal,
            "differing": users.differing,
            "differing_twice": users.differing_twice,
        }
        for name, number in counts.items():
            told.COMPARED_USERS.labels(one.origin, name).set(number)


def main() -> None:
    try:
        settings = Settings()
    except ValidationError as error:
        print(settings_sentence(error), file=sys.stderr)  # noqa: T201
        sys.exit(2)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    start_http_server(settings.metrics_port, addr="127.0.0.1")
    watch(settings, threading.Event())


if __name__ == "__main__":
    main()
