"""Forms of a model through a Triton of their own, beside the same requests in this process.

Requests of 32 users, one after another, in turns of a second here and there: whatever else the
machine does meets both. What is between the two is Triton's: gRPC, the way to the model's process
and back, and the tensors' copies.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from tritonclient import grpc as triton

from inference.data.interactions import Interactions
from inference.models.answer import Tensors, answer
from inference.models.transformer import Transformer
from inference.releases import check_golden, install, load, write
from inference.releases.serving import infer
from inference.training import train
from inference.training.judging import Judge
from infra.local.settings import LocalSettings
from schemas.serving import MAX_USERS
from tests.benchmarks import servers
from tests.benchmarks.statistics import rounded

_TURN_S = 1.0


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
            with triton.InferenceServerClient(url) as client:
                here, there = _rates(
                    lambda request, it=blend: answer(it, request),
                    lambda request, version=folder.name: infer(client, request, version),
                    requests,
                    seconds,
                )
            row = {"way": name, "in_process_per_s": here, "triton_per_s": there}
            rows.append(row | {"share": rounded(there / here)})
            report(", ".join(f"{what} {value}" for what, value in rows[-1].items()))
    return rows


def _rates(
    here: Callable[[Tensors], Tensors],
    there: Callable[[Tensors], Tensors],
    requests: Sequence[Tensors],
    seconds: float,
) -> tuple[float, float]:
    """Users a second of each."""
    both = (here, there)
    for ask in both:
        ask(requests[0])  # the first request of a model is slow
    done, spent = [0, 0], [0.0, 0.0]
    while min(spent) < seconds:
        for which, ask in enumerate(both):
            began = time.monotonic()
            while time.monotonic() - began < min(_TURN_S, seconds):
                ask(requests[done[which] // MAX_USERS % len(requests)])
                done[which] += MAX_USERS
            spent[which] += time.monotonic() - began
    return rounded(done[0] / spent[0]), rounded(done[1] / spent[1])
