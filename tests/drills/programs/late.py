"""A worker whose clock is off: `python -m tests.drills.programs.late recommend`, with
TIDEMILL_DRILL_CLOCK_OFF_S saying by how many seconds.
"""

import os
import sys
import time

_OFF_S = int(os.environ["TIDEMILL_DRILL_CLOCK_OFF_S"])
_now, _now_ns = time.time, time.time_ns

if __name__ == "__main__":
    time.time = lambda: _now() + _OFF_S
    time.time_ns = lambda: _now_ns() + _OFF_S * 1_000_000_000
    # Behind that, for who takes a function of `time` by its name.
    from streams import worker

    worker.main(sys.argv[1:])
