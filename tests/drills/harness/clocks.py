"""A region whose clock is off, from its next start on: its broker's and its workers'.

A library is put before the C library's clocks (`programs/clock.c`), which takes a C compiler;
workers, which are Python, get another `time`. Its mirror, whose records keep the times that they
have, its readers and those who command it have the right time.
"""

import dataclasses
import os
import shutil
import subprocess
import time
from pathlib import Path

from tests.drills.harness.region import Region

_SOURCE = Path(__file__).parents[1] / "programs" / "clock.c"
_LATE = ("-m", "tests.drills.programs.late")


def set_clock(region: Region, off_s: int) -> None:
    """Below 0: behind. Call it while the region does not run."""
    compiler = shutil.which("cc")
    assert compiler is not None, "a drill of clocks needs a C compiler, and there is no `cc` here"
    library = region.home.root / "clock.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O2", "-o", library, _SOURCE, "-ldl"],
        check=True,
    )
    more = {"LD_PRELOAD": str(library), "DRILL_CLOCK_OFF_S": str(off_s)}
    told = subprocess.run(["date", "+%s"], env=os.environ | more, check=True, capture_output=True)
    assert abs(int(told.stdout) - off_s - time.time()) < abs(off_s) / 2, "no clock was moved"
    broker = region.servers["kafka"]
    region.servers["kafka"] = dataclasses.replace(broker, env={**broker.env, **more})
    for crew in region.crews:
        for member in crew.members:
            member.worker.program = _LATE
            member.worker.settings |= {"drill_clock_off_s": off_s}
