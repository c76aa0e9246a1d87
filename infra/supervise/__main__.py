"""`python -m infra.supervise HOME`: started by `asking`, in the background; its output is a log."""

import logging
import sys
import time
from pathlib import Path

from infra.local.home import Home
from infra.supervise.loop import Loop


def main(arguments: list[str]) -> None:
    if len(arguments) != 1:
        sys.exit("usage: python -m infra.supervise HOME")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.Formatter.converter = time.gmtime
    root = Path(arguments[0])
    Loop(Home(root, root / "tools")).run()


if __name__ == "__main__":
    main(sys.argv[1:])
