"""Each Triton of a region: what it says of itself, and what the workers make of it.

Read only. Called by `status`. A worker's view is its own: one may have ejected a Triton that
another reaches well.
"""

from collections.abc import Mapping

import msgspec

from infra import triton_models
from infra.partitions import Told
from schemas.serving import MODEL
from streams import metrics


class Triton(msgspec.Struct, frozen=True, kw_only=True):
    """`version` is the newest that answers, None where none does. `in_flight` and `latency_ms` (the
    largest of the workers' means) are as the workers see it, None where none has asked it yet;
    `ejected_by` are those that only probe it.
    """

    url: str
    ready: bool
    model: str
    version: str | None
    in_flight: int | None = None
    latency_ms: float | None = None
    ejected_by: list[str] = []


def triton(url: str, expositions: Mapping[str, str]) -> Triton:
    """`expositions`: what each recommend worker answers to Prometheus, by its name."""
    found = triton_models.loaded(url, MODEL)
    return seen(
        Triton(
            url=url,
            ready=found.is_ready,
            model=MODEL,
            version=found.versions[-1] if found.versions else None,
        ),
        expositions,
    )


def seen(triton: Triton, expositions: Mapping[str, str]) -> Triton:
    """With what the workers tell of it. Pure."""
    told = {name: Told(text) for name, text in expositions.items()}
    in_flight, latencies_s, ejected_by = list[float](), list[float](), list[str]()
    for name, one in told.items():
        under_way = one.value(metrics.TRITON_IN_FLIGHT, endpoint=triton.url)
        latency_s = one.value(metrics.TRITON_LATENCY, endpoint=triton.url)
        if under_way is None or latency_s is None:
            continue
        in_flight.append(under_way)
        latencies_s.append(latency_s)
        if one.value(metrics.TRITON_EJECTED, endpoint=triton.url):
            ejected_by.append(name)
    if not in_flight:
        return triton
    return msgspec.structs.replace(
        triton,
        in_flight=int(sum(in_flight)),
        latency_ms=round(1000 * max(latencies_s), 1),
        ejected_by=ejected_by,
    )
