"""Each run of the demo replays the log for people of its own, so that its figures are of this run.

Replaying it for the same people would change nothing, and their next rating would be known
already: there would be nothing to measure. The first run keeps the log's own ids.
"""

from contextlib import suppress

from infra.local.home import Home

_FILE = "demo-runs"


def suffix_of_this_run(home: Home) -> str:
    """What is put behind each user id; counted before anything is sent, so no run shares it."""
    file = home.data / _FILE
    runs = 0
    with suppress(OSError, ValueError):
        runs = int(file.read_text())
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(str(runs + 1))
    return f".{runs + 1}" if runs else ""
