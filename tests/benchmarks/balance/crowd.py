"""An open loop of requests through the scorer: a late answer delays nobody else's question."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import REGISTRY

from streams.scoring.candidates import Wanted
from streams.scoring.client import Scorer
from tests.benchmarks.statistics import latencies, rounded


@dataclass
class Found:
    """Seconds from when each request was due, and how many of them were not answered."""

    seconds: list[float]
    failed: int = 0


async def asked(
    scorer: Scorer, people: Sequence[Wanted], version: str, load: "Load", seconds: float
) -> Found:
    found = Found([])

    async def ask(number: int, due_s: float) -> None:
        first = number * load.users % len(people)
        users = [people[(first + n) % len(people)] for n in range(load.users)]
        scored = await scorer.score(users, version, load.deadline_ms)
        found.seconds.append(time.monotonic() - due_s)
        found.failed += any(one.failure for one in scored)

    begin_s = time.monotonic()
    asks = []
    for number in range(int(seconds * load.rate)):
        due_s = begin_s + number / load.rate
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        asks.append(asyncio.create_task(ask(number, due_s)))
    await asyncio.gather(*asks)
    return found


@dataclass(frozen=True)
class Load:
    """`rate` requests a second, of so many `users` each."""

    rate: float
    users: int
    deadline_ms: float


def sent() -> dict[str, float]:
    """Requests by endpoint, since the process began."""
    found: dict[str, float] = {}
    for family in REGISTRY.collect():
        for sample in family.samples:
            if sample.name == "tidemill_scoring_seconds_count":
                endpoint = sample.labels["endpoint"]
                found[endpoint] = found.get(endpoint, 0.0) + sample.value
    return found


def figures(found: Found, before: dict[str, float], shaky: str) -> dict[str, Any]:
    """`before`: what `sent` said at the begin."""
    requests = {url: count - before.get(url, 0.0) for url, count in sent().items()}
    total, asks = sum(requests.values()), len(found.seconds)
    return {
        **latencies(found.seconds),
        "fallback_share": rounded(found.failed / asks),
        "extra_requests": rounded(max(0.0, total - asks) / asks),
        "to_the_stopped_one": rounded(requests.get(shaky, 0.0) / total),
    }
