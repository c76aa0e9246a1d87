"""One run of one engine: from the first event in hand until its last slate can be read."""

from pathlib import Path
from typing import Any

from infra.broker import read_whole
from tests.benchmarks.engine import slate
from tests.benchmarks.engine.engines import Engine, Report
from tests.benchmarks.peers.progress import Call
from tests.benchmarks.peers.work import SLATE
from tests.benchmarks.problems import BenchmarkError
from tests.benchmarks.processes import Mark, Measured
from tests.benchmarks.servers import Servers
from tests.benchmarks.settling import settled
from tests.benchmarks.statistics import rounded

_START_S = 120.0
_RUN_S = 1200.0


def measured(
    servers: Servers, engine: Engine, events: int, folder: Path, report: Report
) -> dict[str, Any]:
    """The figures of one run; `folder` is for this run alone. Raises BenchmarkError.

    `cpu_us_per_event` goes on until what was written last is durable (a flush of states after the
    last slate counts); `seconds` and `events_per_s` end with the last slate. `steady_...` is the
    same over the second half of the events.
    """
    servers.forget()
    output = engine.output or f"bench-{folder.name}"
    if engine.output is None:
        servers.create(output)
    folder.mkdir(parents=True)
    (folder / SLATE).write_bytes(slate.template())
    call = Call(servers.settings.kafka, output, events, folder)
    command = [*engine.command(servers.home, report), *engine.arguments(call)]
    with Measured(command, {}, folder.with_suffix(".log")) as process:
        first = process.wait_for("first", _START_S)
        half = process.wait_for("half", _RUN_S)
        process.wait_for("last", _RUN_S)
        quiet_s = engine.quiet_s + (servers.settings.flush_s if engine.flushes else 0)
        end = settled(servers, process, output, quiet_s)
        rss_mb = process.peak_rss_bytes / 1e6
    records, size_bytes = _written(servers, output)
    if records == 0 or (engine.answers_each and records != events):
        raise BenchmarkError(f"{engine.name} wrote {records} slates for {events} events")
    seconds = end.answered.at_s - first.at_s
    return {
        "events": events,
        "seconds": rounded(seconds),
        "events_per_s": rounded(events / seconds),
        "cpu_us_per_event": _cpu_us(first, end.durable, events),
        "cpu_us_per_event_to_last_slate": _cpu_us(first, end.answered, events),
        "steady_events_per_s": rounded((events - events // 2) / (end.answered.at_s - half.at_s)),
        "steady_cpu_us_per_event": _cpu_us(half, end.durable, events - events // 2),
        "rss_mb": rounded(rss_mb),
        "records_out": records,
        "records_out_per_event": rounded(records / events),
        "bytes_per_record_out": rounded(size_bytes / records),
        "start_s": rounded(first.at_s - process.started_s),
    }


def _cpu_us(begin: Mark, end: Mark, events: int) -> float:
    return rounded(1e6 * (end.cpu_s - begin.cpu_s) / events)


def _written(servers: Servers, topic: str) -> tuple[int, int]:
    """Records and bytes of values that a read_committed consumer gets."""
    records = size_bytes = 0
    for message in read_whole(servers.settings, [topic]):
        records += 1
        size_bytes += len(message.value() or b"")
    return records, size_bytes
