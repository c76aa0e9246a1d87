"""`python -m infra.probing east=HOST:PORT`: the prober of the region that the settings name.

What `tidemill region watch --from REGION` does, without the command line's imports, which would
double its memory. The arguments are the Kafka of each peer. Started by `tidemill up`.
"""

import sys

from pydantic import ValidationError

from infra.probing.process import run
from infra.probing.settings import ProbingSettings
from infra.probing.watch import Watched
from streams.settings import Settings, settings_sentence


def main() -> None:
    try:
        settings, given = Settings(), ProbingSettings()
    except ValidationError as error:
        print(settings_sentence(error), file=sys.stderr)  # noqa: T201
        sys.exit(2)
    kafka = dict(peer.split("=", 1) for peer in sys.argv[1:])
    watched = Watched(
        observer=settings.region, settings=settings, kafka=kafka, probers={},
        after_s=given.lost_after_s, host=given.prober_host,
    )  # fmt: skip
    run(watched)


if __name__ == "__main__":
    main()
