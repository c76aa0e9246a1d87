"""A prober as a process: it logs, says where it is asked, and ends when it is told to.

Called by `tidemill region watch` and by `python -m infra.probing`.
"""

import logging
import signal

from infra.probing.watch import Lost, Watch, Watched

log = logging.getLogger("tidemill")


def run(watched: Watched, lost: Lost | None = None) -> None:
    """Returns behind SIGTERM or Ctrl-C. Raises OSError where its port is taken."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    watch = Watch(watched, lost)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: watch.end())
    regions = ", ".join(watched.kafka)
    watch.run(
        lambda at: log.info("%s looks at %s; see http://%s/seen", watched.observer, regions, at)
    )
