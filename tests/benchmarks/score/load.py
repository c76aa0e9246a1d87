"""Triton's own maximum: requests of 32 users, so many in flight, nothing done with the answers.

The requests are what the worker would send for the same users: their states folded, their tensors
made by the scorer's own code, beforehand. Called as a program with the file of a Plan; prints one
JSON document, in-flight -> users scored a second.
"""

import asyncio
import gc
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from tritonclient.grpc import InferInput
from tritonclient.grpc.aio import InferenceServerClient

from schemas.serving import MAX_USERS, MODEL
from schemas.state import EMPTY, UserState
from streams.scoring.candidates import Wanted
from streams.scoring.encode import encode
from streams.scoring.transport import CHANNEL_ARGS, inputs
from streams.settings import Settings
from streams.slate.choose import candidates_wanted
from streams.slate.filters import excluded
from streams.state.fold import fold
from tests.benchmarks.score.asking import past_of
from tests.benchmarks.statistics import rounded

_REQUESTS = 32
"""Different ones, sent in turn."""
_WARM_S = 1.0


class Plan(msgspec.Struct):
    """`pasts` as `asking.views` takes them."""

    triton: str
    version: str
    seconds: float
    in_flight: tuple[int, ...]
    pasts: list[list[str]]


def main() -> None:
    plan = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Plan)
    requests = [_request(plan.pasts, first * MAX_USERS) for first in range(_REQUESTS)]
    gc.freeze()
    found = asyncio.run(_measured(plan, requests))
    print(msgspec.json.encode(found).decode())  # noqa: T201


def _request(pasts: Sequence[Sequence[str]], first: int) -> list[InferInput]:
    limit = candidates_wanted(Settings().slate_size)
    states = [state_of(user, pasts) for user in range(first, first + MAX_USERS)]
    return inputs(encode([Wanted(state, limit, excluded(state)) for state in states]))


def state_of(user: int, pasts: Sequence[Sequence[str]]) -> UserState:
    state = EMPTY
    for event in past_of(user, pasts[user % len(pasts)]):
        state = fold(state, event, event.at_ms)
    return state


async def _measured(plan: Plan, requests: Sequence[list[InferInput]]) -> Mapping[str, float]:
    client = InferenceServerClient(plan.triton, channel_args=CHANNEL_ARGS)
    try:
        found = {}
        for in_flight in plan.in_flight:
            await _rate(client, plan, requests, in_flight, _WARM_S)
            found[str(in_flight)] = await _rate(client, plan, requests, in_flight, plan.seconds)
        return found
    finally:
        await client.close()


async def _rate(
    client: InferenceServerClient,
    plan: Plan,
    requests: Sequence[list[InferInput]],
    in_flight: int,
    seconds: float,
) -> float:
    """Users scored a second."""
    begin_s = time.monotonic()
    ends_s = begin_s + seconds
    done = 0

    async def ask(turn: int) -> None:
        nonlocal done
        while time.monotonic() < ends_s:
            turn = (turn + 1) % len(requests)
            await client.infer(MODEL, requests[turn], model_version=plan.version)
            done += MAX_USERS

    await asyncio.gather(*(ask(turn) for turn in range(in_flight)))
    return rounded(done / (time.monotonic() - begin_s))


if __name__ == "__main__":
    main()
