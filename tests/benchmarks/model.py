"""The real model in the benchmark's Triton: fitted and released as the demo does it, and people of
whom it knows something.
"""

import itertools
from collections.abc import Callable
from typing import Any

from infra.local.settings import LocalSettings
from tests.benchmarks.latency.measure import People
from tests.benchmarks.servers import Servers

CUT = "80%"
"""The model and the users' histories know the data set up to there."""


def known_people(
    servers: Servers, local: LocalSettings, dataset: str, report: Callable[[str], None]
) -> People:
    """Their past is in `user-events`, the items are in the catalogue. Raises LocalError."""
    # Torch is slow to import, and only this needs it.
    from infra.cli.moments import between  # noqa: PLC0415
    from infra.replay import Pace, send_events  # noqa: PLC0415

    log = released(servers, local, dataset, report)
    past = between(log, None, CUT)
    report(f"producing the past: {len(past)} events")
    send_events(servers.settings, past, Pace())
    users = sorted({past.users[user] for user in past.user.tolist()})
    items = sorted({past.items[item] for item in past.item.tolist()})
    return People(users, items)


def released(
    servers: Servers, local: LocalSettings, dataset: str, report: Callable[[str], None]
) -> Any:
    """The log whose past the model that is served now was fitted on; its items are known."""
    from inference.releases import write  # noqa: PLC0415
    from inference.training import train  # noqa: PLC0415
    from infra.cli.datasets import read_log  # noqa: PLC0415
    from infra.cli.moments import moment_ms  # noqa: PLC0415
    from infra.releases import publish  # noqa: PLC0415
    from infra.replay import send_items  # noqa: PLC0415

    log = read_log(dataset, None, local.place)
    fitted = train(log, until_ms=moment_ms(log, CUT))
    folder = write(fitted, servers.home.releases, {})
    publish(servers.settings, servers.home, folder)
    send_items(servers.settings, log)
    report(f"a model of {dataset} is released to Triton")
    return log


def pasts(log: Any, length: int) -> list[list[str]]:
    """Of each person with so many interactions before the cut, the last items, oldest first."""
    from infra.cli.moments import between  # noqa: PLC0415

    past = between(log, None, CUT)
    order, starts = past.by_user
    found = []
    for begin, end in itertools.pairwise(starts.tolist()):
        if end - begin >= length:
            found.append([past.items[past.item[row]] for row in order[end - length : end]])
    return found
