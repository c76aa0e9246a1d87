"""Forms of a model through a Triton of their own, beside the same requests in this process.

Requests of 32 users, in turns of a second here and there: whatever else the machine does meets
both. Triton has the very core that the same model has in this process, and always a request that
waits; who asks has the others. What is between the two is Triton's: gRPC, the way to the model's
process and back, and the tensors' copies.
"""

import itertools
import os
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import torch
from tritonclient import grpc as triton

from inference.data.interactions import Interactions
from inference.models.answer import Tensors, answer
from inference.models.transformer import Transformer
from inference.releases import check_golden, install, load, write
from inference.releases.serving import infer
from inference.training import train
from inference.training.judging import Judge
from infra.local import supervisor
from infra.local.settings import LocalSettings
from schemas.serving import MAX_USERS, MODEL
from tests.benchmarks import servers
from tests.benchmarks.statistics import rounded

_TURN_S = 1.0
_IN_FLIGHT = 2
_COMPUTED = ("compute_input", "compute_infer", "compute_output")


def through_triton(
    models: dict[str, Transformer],
    log: Interactions,
    judge: Judge,
    local: LocalSettings,
    seconds: float,
    report: Callable[[str], None],
) -> list[dict[str, Any]]:
    """A row for each; users a second here and through Triton, and the share of the two."""
    requests = [request for request, right in judge.asked if len(right) == MAX_USERS]
    rows = []
    with servers.running(local, 1, with_triton=True) as running:
        (url,) = running.settings.triton
        for name, model in models.items():
            blend = judge.blend(model)
            folder = write(train(log, fit=lambda _, it=blend: it), running.home.releases, {})
            install(folder, running.home.triton)
            load(url, [folder.name])
            check_golden(url, folder, folder.name)
            (server,) = [s for s in supervisor.states(running.home.run) if s.name == "triton"]
            _put(psutil.Process(server.pid), _cores()[-1:])
            with triton.InferenceServerClient(url) as client:
                here, there = _rates(
                    lambda request, it=blend: answer(it, request),
                    lambda request, version=folder.name: infer(client, request, version),
                    requests,
                    seconds,
                )
                told = client.get_inference_statistics(MODEL, folder.name, as_json=True)
            row = {"way": name, "in_process_per_s": here, "triton_per_s": there}
            rows.append(row | {"share": rounded(there / here)} | _by_triton(told))
            report(", ".join(f"{what} {value}" for what, value in rows[-1].items()))
    return rows


def _by_triton(told: dict[str, Any]) -> dict[str, float]:
    """Milliseconds of a request by Triton's own count; `infer` is the way to the model's process
    and back, and the model.
    """
    (model,) = told["model_stats"]
    parts = {name: model["inference_stats"][name] for name in ("queue", *_COMPUTED)}
    return {
        f"{name.removeprefix('compute_')}_ms": rounded(
            int(part.get("ns", 0)) / max(1, int(part.get("count", 0))) / 1e6
        )
        for name, part in parts.items()
    }


def _rates(
    here: Callable[[Tensors], Tensors],
    there: Callable[[Tensors], Tensors],
    requests: Sequence[Tensors],
    seconds: float,
) -> tuple[float, float]:
    """Users a second of each."""
    cores = _cores()
    both = ((here, 1, cores[-1:]), (there, _IN_FLIGHT, cores[:-1] or cores))
    done, spent = [0, 0], [0.0, 0.0]
    here(requests[0])  # the first request of a model is slow
    there(requests[0])
    try:
        while min(spent) < seconds:
            for which, (ask, threads, own) in enumerate(both):
                os.sched_setaffinity(0, own)
                began = time.monotonic()
                ends = began + min(_TURN_S, seconds)
                with ThreadPoolExecutor(threads) as pool:
                    asking = [pool.submit(_ask, ask, requests, ends) for _ in range(threads)]
                done[which] += sum(each.result() for each in asking) * MAX_USERS
                spent[which] += time.monotonic() - began
    finally:
        os.sched_setaffinity(0, cores)
    return rounded(done[0] / spent[0]), rounded(done[1] / spent[1])


def _ask(ask: Callable[[Tensors], Tensors], requests: Sequence[Tensors], ends: float) -> int:
    """How many were answered until then, at least one."""
    torch.set_num_threads(1)  # torch keeps this number for each thread
    for number, request in enumerate(itertools.cycle(requests), 1):
        ask(request)
        if time.monotonic() > ends:
            return number
    raise AssertionError("there are no requests")


def _cores() -> list[int]:
    return sorted(os.sched_getaffinity(0))


def _put(process: psutil.Process, cores: Collection[int]) -> None:
    """All threads of a process and its children on these cores."""
    for one in (process, *process.children(recursive=True)):
        for thread in one.threads():
            os.sched_setaffinity(thread.id, cores)
