"""The prober outside at work, where no region's Kafka answers: what it acts on."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field

import pytest
from prometheus_client import REGISTRY

from infra.probing import asking
from infra.probing.report import Ends, Report, Told
from infra.probing.seen import Sample, Way
from infra.probing.serving import Serving
from infra.probing.verdict import Verdict
from infra.probing.watch import Watch, Watched
from streams.settings import Settings

NOBODY = "127.0.0.1:1"
AFTER_S = 1.0
DEADLINE_S = 60.0
DOUBTED = "tidemill_prober_doubted"


@dataclass
class West:
    """What the prober of the west says of the east."""

    heard_age_s: dict[Way, float] = field(default_factory=dict)

    def report(self) -> Report:
        east = Told(
            watched_s=1_000.0, looked_age_s=0.0, heard_age_s=self.heard_age_s,
            ends=Ends(age_s=3.0, ends={0: 7}, rates={0: 1.0}),
        )  # fmt: skip
        return Report(observer="west", region_number=1, partitions=1, regions={"east": east})


@dataclass
class Acted:
    """Each region that was to be given up, by what the others said, and where it ended."""

    calls: list[tuple[str, list[str], Sample | None]] = field(default_factory=list)

    def __call__(
        self,
        lost: Verdict,
        reports: Mapping[str, Report],
        last_seen: Callable[[str], Sample | None],
    ) -> None:
        self.calls.append((lost.region, sorted(reports), last_seen(lost.region)))


@dataclass
class Outside:
    west: West
    acted: Acted
    address: str = ""

    def silent_s(self) -> float:
        answer = asking.ask(self.address)
        return 0.0 if answer is None else answer.report.regions["east"].watched_s


@pytest.fixture
def outside() -> Iterator[Outside]:
    """It has lost both regions, and hears the prober of the west alone."""
    found = Outside(West({"mirror": 0.0}), Acted())
    with closing(Serving("127.0.0.1", 0, found.west.report)) as west:
        watched = Watched(
            observer="outside", settings=Settings(partitions=1), after_s=AFTER_S, host="127.0.0.1",
            kafka={"east": NOBODY, "west": NOBODY}, probers={"east": NOBODY, "west": west.address},
        )  # fmt: skip
        watch = Watch(watched, found.acted)
        running = threading.Thread(
            target=watch.run, args=[lambda at: setattr(found, "address", at)]
        )
        running.start()
        until("it is asked somewhere", lambda: found.address)
        yield found
        watch.end()
        running.join(DEADLINE_S)
        assert not running.is_alive()


def until(what: str, condition: Callable[[], object]) -> None:
    ends = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < ends, f"not within {DEADLINE_S:.0f} s: {what}"
        time.sleep(0.02)  # between two looks


def test_it_acts_when_the_peer_has_lost_the_region_too_and_again_while_that_lasts(
    outside: Outside,
) -> None:
    """Of the west nobody can say anything, for the prober of the east is gone with it."""
    until("the outside has lost the east", lambda: outside.silent_s() > 3 * AFTER_S)
    assert outside.acted.calls == []
    outside.west.heard_age_s["mirror"] = 100.0
    until("it acts", lambda: outside.acted.calls)
    until("it tries again", lambda: len(outside.acted.calls) > 1)
    region, others, sample = outside.acted.calls[0]
    assert (region, others) == ("east", ["west"])
    assert sample is not None, "as the west saw it last"
    assert sample.ends == {0: 7}
    assert {call[0] for call in outside.acted.calls} == {"east"}
    outside.west.heard_age_s["kafka"] = 0.0
    until("that is known", lambda: REGISTRY.get_sample_value(DOUBTED, {"region": "east"}) == 1)
    acted = len(outside.acted.calls)
    silent_s = outside.silent_s()
    until("a try would have come", lambda: outside.silent_s() > silent_s + 6)
    assert len(outside.acted.calls) == acted
