"""`python -m infra.local.install`: called by `make`; prints one line a step."""

import sys
from functools import partial

from pydantic import ValidationError

from infra.local.install.steps import install
from infra.local.problems import LocalError
from infra.local.settings import LocalSettings

_say = partial(print, flush=True)
_complain = partial(print, file=sys.stderr, flush=True)


def main() -> int:
    try:
        settings = LocalSettings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "TIDEMILL_" + "_".join(map(str, first["loc"])).upper()
        _complain(f"{name}: {first['msg']}")
        return 2
    try:
        install(settings.place.tools, _say)
    except LocalError as error:
        _complain(error)
        return 1
    except OSError as error:
        _complain(
            f"cannot install into {settings.place.tools}: {error.strerror}; set TIDEMILL_HOME to a "
            "folder that you may write to and that has room, then run this again"
        )
        return 1
    except KeyboardInterrupt:
        _complain("interrupted; run this again to resume")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
