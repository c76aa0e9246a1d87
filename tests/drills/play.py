"""The drills by their names, and how they are played in turn: what `tidemill drill` calls."""

import importlib
import inspect
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from infra.local.install.steps import install
from infra.local.problems import LocalError
from infra.local.settings import LocalSettings
from tests.benchmarks import machine
from tests.drills.check.findings import Report
from tests.drills.harness.network import take_rights
from tests.drills.harness.scene import ground

ABOUT = {
    "failover": "two regions: one dies under load, the other takes over, it returns and takes back",
    "detection": "two regions: cuts that promote nobody, and a death that does, by the probers",
    "cuts": "two regions: the link is cut without a word, both ways, then one way",
    "island": "two regions: one is cut off from all but its people, lives, and is given up",
    "switch": "two regions: a planned switch there and back, nothing lost",
    "frozen": "two regions: one sleeps, the other takes over, it wakes as a zombie",
    "mirrors": "two regions: a mirror killed, one asleep, and none for a minute",
    "second": "two regions: the one that took over dies, too, before anybody failed back",
    "wiped": "two regions: one loses its disks and is rebuilt by `region join`",
    "region_controls": "two regions: one with a worker that is wrong on purpose",
    "claims": "two regions: both claim an origin; a record unreadable; all records lost",
    "misplaced": "two regions: one dies with misplaced records that it has not forwarded",
    "unready": "two regions: one takes over while its group rebalances, then while it restores",
    "retention": "two regions: the link is cut for longer than the source keeps its events",
    "remade": "two regions: a mirrored topic is deleted and made again, there and here",
    "releasing": "two regions: one dies as it announces a new version of the model",
    "clock": "two regions: one returns with its clock 30 s behind",
    "kills": "100 SIGKILLs of three workers at random moments, a third with their disks",
    "deaths": "death at every numbered step of commit, flush, opening and closing",
    "zombies": "SIGSTOP past the session, then SIGCONT; in a batch and in a flush",
    "feeds": "workers join, leave, die and return on two feeds",
    "brokers": "SIGKILL of the only broker; of three, the leader and the coordinator",
    "outages": "broker and workers SIGKILLed at once, and all return",
    "restores": "a restore longer than the session, and from a compacted changelog",
    "inputs": "aborted transactions, poison, huge records, a topic made again",
    "partitions": "64 partitions on one worker",
    "disks": "a full disk, and damage in the files of the store",
    "backups": "an erased user in an old backup, a byte that flipped, full disks; under load",
    "memory": "a million users with memory for a fraction of them",
    "archives": "ClickHouse away for ten minutes",
    "rebalance": "how long partitions are silent when workers come and go",
    "schedules": "two regions on paper: 200,000 random schedules of failures",
    "controls": "workers that are wrong on purpose, and must be found out",
    "soak": "20 minutes at 5,000 events/s with a fault a minute",
}
CUTTING = ("detection", "cuts", "island")
"""Those in which networks are cut, where that can be."""

Options = Mapping[str, Any]


class Document(msgspec.Struct, kw_only=True):
    """What `--json` writes."""

    at: str
    machine: dict[str, object]
    versions: dict[str, str]
    reports: list[Report]


def options(name: str, arguments: Sequence[str], *, short: bool) -> dict[str, Any]:
    """A drill's own, from `--option value` pairs. Raises ValueError, which names them."""
    module = _module(name)
    known = {
        option: parameter.default
        for option, parameter in inspect.signature(module.run).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    chosen: dict[str, Any] = dict(module.SHORT) if short else {}
    pairs = list(arguments)
    while pairs:
        option = pairs.pop(0).removeprefix("--").replace("-", "_")
        if option not in known or not pairs:
            there = ", ".join(f"--{o.replace('_', '-')} ({d})" for o, d in known.items())
            raise ValueError(f"{name} has the options {there}, each with a value")
        chosen[option] = _value(known[option], pairs.pop(0))
    return chosen


def play(drills: Mapping[str, Options], keep: Path | None, tell: Callable[[str], None]) -> Document:
    """Each in turn; what goes wrong in one does not keep the others from being played."""
    reports = []
    if any(name in CUTTING for name in drills):
        install(LocalSettings().place.tools, tell)  # where there is no way out, nothing can be
        take_rights(tell)
    with ground(keep) as place, _progress(tell):
        for name, chosen in drills.items():
            told = ", ".join(f"{option} {value}" for option, value in chosen.items())
            tell(f"{name}: {ABOUT[name]}{f' ({told})' if told else ''}")
            began = time.monotonic()
            try:
                made = _module(name).run(place, **chosen)
            except (AssertionError, LocalError) as error:
                made = Report(drill=name, passed=False, wrong={"drills that failed": 1},
                              examples={"drills that failed": [str(error)]})  # fmt: skip
            made.figures["took_s"] = round(time.monotonic() - began, 1)
            reports.append(made)
            _tell(made, tell)
    return Document(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine.described(),
        versions=machine.versions(),
        reports=reports,
    )


class _Progress(logging.Handler):
    """What a drill does while it is played, a line each with the seconds since the first."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self._tell, self._began = tell, time.time()

    def emit(self, record: logging.LogRecord) -> None:
        self._tell(f"  {record.created - self._began:6.1f} s  {record.getMessage()}")


@contextmanager
def _progress(tell: Callable[[str], None]) -> Iterator[None]:
    logger = logging.getLogger("tests.drills")
    before, handler = logger.level, _Progress(tell)
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def _tell(made: Report, tell: Callable[[str], None]) -> None:
    width = max((len(what) for what, _ in made.table), default=0)
    for what, how_much in made.table:
        tell(f"  {what:<{width}}  {how_much}")
    if made.table:
        made = msgspec.structs.replace(made, figures={})  # all of it is in the document
    for name, figure in made.figures.items():
        tell(f"  {name}: {figure}")
    looked = ", ".join(f"{count} {what}" for what, count in made.looked_at.items())
    tell(f"  looked at {looked or 'nothing'}")
    for what, count in made.wrong.items():
        tell(f"  WRONG: {count} {what}, such as {'; '.join(made.examples.get(what, []))}")
    tell(f"  {'passed' if made.passed else 'FAILED'}")


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"tests.drills.{name}")


def _value(default: Any, text: str) -> Any:
    if isinstance(default, bool):
        return text.lower() in ("true", "yes", "1")
    if isinstance(default, int | float | str):
        return type(default)(text)
    return tuple(word.strip() for word in text.split(","))
