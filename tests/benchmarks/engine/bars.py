"""The bars that the engine is held to, computed from the medians of one document. Pure."""

from collections.abc import Mapping
from typing import Any

from tests.benchmarks.statistics import bar

US = "tidemill"


def memory_bars(memory: Mapping[str, float]) -> list[dict[str, Any]]:
    hot, entry = memory["bytes_per_hot_user"], memory["bytes_per_map_entry"]
    return [
        bar("bytes of a hot user with a history of 50", hot, at_most=1600),
        bar("bytes of an entry of a full map", entry, at_most=20),
    ]


def bars(engines: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Those whose engines were measured. Kafka Streams counts as it is after its warm-up."""
    if US not in engines:
        return []
    cpu_us, rate = engines[US]["cpu_us_per_event"], engines[US]["events_per_s"]
    found = []
    if raw := engines.get("raw"):
        times = cpu_us / raw["cpu_us_per_event"]
        found.append(bar("CPU an event, times raw", times, at_most=2.4))
    if streams := engines.get("kafka_streams"):
        times = cpu_us / streams["steady_cpu_us_per_event"]
        found.append(bar("CPU an event, times Kafka Streams (steady)", times, at_most=0.48))
        times = rate / streams["steady_events_per_s"]
        found.append(bar("events a second, times Kafka Streams (steady)", times, at_least=1.9))
    if quix := engines.get("quix"):
        times = rate / quix["events_per_s"]
        found.append(bar("events a second, times Quix with state", times, at_least=5))
    if faust := engines.get("faust"):
        times = rate / faust["events_per_s"]
        found.append(bar("events a second, times stock Faust", times, at_least=30))
    return found
