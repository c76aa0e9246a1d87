"""A prober at work: it looks, tells, and hands on which region is lost, until it is ended.

One thread looks at each region's Kafka; in a region one more counts the heartbeats in its own
cluster, outside of all one asks each region's prober. So none of them waits for another, and what
one of them does not hear in time it says nothing about. Called by `tidemill region watch`.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from infra.probing import asking, looking, metrics, report, serving
from infra.probing.report import Contact, Report
from infra.probing.seen import Sample, Seen, Way, newest
from infra.probing.verdict import State, Verdict, verdict
from schemas.topics import USER_EVENTS
from streams.settings import Settings

log = logging.getLogger("tidemill")

OUTSIDE = "outside"
"""The observer that is in no region; no region may be called so."""
EVERY_S = 0.2
"""Between two looks: how much of the tail is not seen, against a request of each region."""
_AGAIN_S = 5.0
"""Between two tries to promote; one that was refused may be near enough by then."""

Lost = Callable[[Verdict, Mapping[str, Report], Callable[[str], Sample | None]], None]
"""Called with the verdict, the reports of the other regions' probers, and what was seen last."""


@dataclass(frozen=True, kw_only=True)
class Watched:
    """`observer`: `outside`, or the region whose `settings` these are. `kafka` and `probers` are
    of each region that is looked at, host:port; the probers are only asked from outside.
    """

    observer: str
    settings: Settings
    kafka: Mapping[str, str]
    probers: Mapping[str, str]
    after_s: float
    host: str


class Watch:
    """Looks from when it is made. `lost`: what to do about a region that is; None: only tell."""

    def __init__(self, watched: Watched, lost: Lost | None = None) -> None:
        self._watched, self._lost = watched, lost
        self._ended = threading.Event()
        began_s = time.monotonic()
        inside = watched.observer != OUTSIDE
        ways: tuple[Way, ...] = ("kafka", "mirror") if inside else ("kafka",)
        self._seen = {name: Seen(watched.observer, ways, began_s) for name in watched.kafka}
        asked = () if inside else watched.probers
        self._contacts = {name: Contact(name, began_s) for name in asked}
        self._beats: dict[str, int] = {}
        self._states: dict[str, State] = {}
        self._tried_s: dict[str, float] = {}
        for name in watched.kafka:
            self._repeat(f"kafka of {name}", partial(self._look_at_kafka, name))
        if inside:
            self._repeat("heartbeats", self._look_at_heartbeats)
        for name in asked:
            self._repeat(f"prober of {name}", partial(self._ask, name))

    def run(self, told: Callable[[str], None]) -> None:
        """Returns when it was ended. `told` gets the address at which it is asked. Raises OSError
        where its port is taken.
        """
        watched = self._watched
        with closing(
            serving.Serving(watched.host, watched.settings.metrics_port, self.report)
        ) as server:
            told(server.address)
            while not self._ended.wait(EVERY_S):
                for region in watched.kafka:
                    self._judge(region)

    def end(self) -> None:
        self._ended.set()

    def report(self) -> Report:
        settings = self._watched.settings
        return Report(
            observer=self._watched.observer,
            region_number=settings.region_number,
            partitions=settings.partitions,
            regions=report.told(self._seen, time.monotonic()),
        )

    def last_seen(self, region: str) -> Sample | None:
        """By this prober or by one that it asked."""
        answers = (contact.answer for contact in self._contacts.values())
        others = (report.sample(one, region) for one in answers if one is not None)
        return newest([self._seen[region].sample, *others])

    def _judge(self, region: str) -> None:
        now_s = time.monotonic()
        found = verdict(
            region, self._seen[region].view,
            [contact.view(region) for contact in self._but(region).values()],
            after_s=self._watched.after_s, now_s=now_s,
        )  # fmt: skip
        self._show(found, now_s)
        if self._states.get(region) != found.state:
            self._states[region] = found.state
            is_bad = found.state in ("doubted", "lost")
            log.log(logging.WARNING if is_bad else logging.INFO, found.says)
        if found.state != "lost":
            self._tried_s.pop(region, None)
        elif self._lost is not None and now_s > self._tried_s.get(region, -_AGAIN_S) + _AGAIN_S:
            answers = {name: contact.answer for name, contact in self._but(region).items()}
            reports = {name: one.report for name, one in answers.items() if one is not None}
            self._lost(found, reports, self.last_seen)
            self._tried_s[region] = time.monotonic()

    def _but(self, region: str) -> dict[str, Contact]:
        """The probers of the other regions."""
        return {name: one for name, one in self._contacts.items() if name != region}

    def _show(self, found: Verdict, now_s: float) -> None:
        region = found.region
        metrics.LOST.labels(region).set(found.state == "lost")
        metrics.DOUBTED.labels(region).set(found.state == "doubted")
        behind_s = time.time() - now_s
        seen, observer = self._seen[region], self._watched.observer
        metrics.LOOKED_TIME.labels(observer, region).set(behind_s + seen.view.looked_s)
        for way, at_s in seen.heard_s.items():
            metrics.HEARD_TIME.labels(observer, region, way).set(behind_s + at_s)
        if (sample := seen.sample) is not None:
            for partition, end in sample.ends.items():
                metrics.END.labels(region, str(partition)).set(end)

    def _look_at_kafka(self, region: str) -> None:
        numbers = range(self._watched.settings.partitions)
        began_s = time.monotonic()
        found = looking.ends(
            self._watched.kafka[region], [(USER_EVENTS.name, number) for number in numbers]
        )
        self._seen[region].looked("kafka", began_s, None if found is None else time.monotonic())
        if found is not None and len(found) == len(numbers):
            ends = {partition: end for (_, partition), end in found.items()}
            self._seen[region].sampled(began_s, ends)

    def _look_at_heartbeats(self) -> None:
        """A region is heard when more of them came; a cluster that does not answer tells nothing,
        so then nobody has looked.
        """
        logs = {region: (f"{region}.heartbeats", 0) for region in self._seen}
        began_s = time.monotonic()
        found = looking.ends(self._watched.settings.kafka, logs.values())
        if found is None:
            return
        ended_s = time.monotonic()
        for region, seen in self._seen.items():
            end, before = found.get(logs[region]), self._beats.get(region)
            came = end is not None and before is not None and end != before
            seen.looked("mirror", began_s, ended_s if came else None)
            if end is not None:
                self._beats[region] = end

    def _ask(self, name: str) -> None:
        answer = asking.ask(self._watched.probers[name])
        if answer is not None and answer.report.observer == name:
            self._contacts[name].took(answer)

    def _repeat(self, name: str, step: Callable[[], None]) -> None:
        def go_on() -> None:
            while not self._ended.is_set():
                began_s = time.monotonic()
                step()
                self._ended.wait(max(0.0, EVERY_S - (time.monotonic() - began_s)))

        threading.Thread(target=go_on, name=name, daemon=True).start()
