"""A worker of a release before `hide` was an event: what it cannot know, it refuses.

Run as `python tests/servers/older_worker.py recommend`.
"""

import functools
import operator
import sys
from typing import Any

from schemas import codec
from schemas.events import EVENT_TYPES, Hide

if __name__ == "__main__":
    known: Any = functools.reduce(operator.or_, (kind for kind in EVENT_TYPES if kind is not Hide))
    codec.MESSAGES["user-event"] = known
    codec._kinds = lambda message: (
        known.__args__ if message == "user-event" else (codec.MESSAGES[message],)
    )
    from streams import worker

    worker.main(sys.argv[1:])
