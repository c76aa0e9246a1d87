"""A worker of a later release: it reads the formats 1 and 2 of user states, and writes what
TIDEMILL_STATE_FORMAT says.

Run as `python tests/servers/newer_worker.py recommend`.
"""

import sys
from typing import cast

from schemas import state
from tests.schemas.format_2 import FORMAT_2, SECOND

if __name__ == "__main__":
    cast(dict[int, state.Format], state.FORMATS)[FORMAT_2] = SECOND
    from streams import worker

    worker.main(sys.argv[1:])
