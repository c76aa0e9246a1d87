"""What `tidemill region watch --automatic` does when a region is lost to everybody: another one
takes over what it owned.

The decision is `streams.region.detection`'s; here it is only carried out, by the same `promote`
that a person calls, without --force: a region that is not near enough does not take over by itself.
Called by `infra.probing.watch` of the prober outside, again and again while the region is lost.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException

from infra import control
from infra.broker import BrokerError
from infra.failover.done import Done, Progress
from infra.failover.problems import FailoverError
from infra.failover.promote import promote
from infra.failover.reach import Reach
from infra.failover.run import Run, Wish
from infra.probing import metrics
from infra.probing.report import Report
from infra.probing.seen import Sample
from infra.probing.verdict import Verdict
from streams.lane.errors import LaneError
from streams.settings import Settings

log = logging.getLogger("tidemill")


@dataclass(frozen=True)
class Automatic:
    """`kafka`: of each region, as it is reached from outside; `home`: where journals are kept."""

    settings: Settings
    kafka: Mapping[str, str]
    home: Path

    def take_over(
        self,
        lost: Verdict,
        reports: Mapping[str, Report],
        last_seen: Callable[[str], Sample | None],
    ) -> None:
        """The first of the other regions, by their numbers, that may. `reports` are those of their
        probers.
        """
        for name, report in sorted(reports.items(), key=lambda item: item[1].region_number):
            reach = Reach(self._as_client(name, report), self._but(name), self.home, last_seen)
            try:
                self._promote_all(reach, lost)
            except (FailoverError, BrokerError, KafkaException, LaneError, OSError) as error:
                metrics.PROMOTIONS.labels(lost.region, "refused").inc()
                log.error("%s does not take over from %s: %s", name, lost.region, error)  # noqa: TRY400 - one line
            else:
                return

    def _promote_all(self, reach: Reach, lost: Verdict) -> None:
        """Every origin that the lost region owns; none where somebody was here before."""
        for origin, record in sorted(control.ownerships(reach.here).origins.items()):
            if record.owner != lost.region:
                continue
            wish = Wish(origin=origin, because=f"automatic: {lost.says}")
            done = promote(Run("promote", reach, wish, Progress(log.info)))
            metrics.PROMOTIONS.labels(lost.region, "done").inc()
            log.warning(
                "%s owns %s at epoch %d: %s; %s", done.owner, origin, done.epoch, lost.says,
                _lost(done),
            )  # fmt: skip

    def _as_client(self, region: str, report: Report) -> Settings:
        """Its number is part of the epoch that is written there, so it says that itself."""
        return self.settings.model_copy(
            update={
                "region": region,
                "region_number": report.region_number,
                "partitions": report.partitions,
                "kafka": self.kafka[region],
                "peers": tuple(self._but(region)),
            }
        )

    def _but(self, region: str) -> dict[str, str]:
        return {name: kafka for name, kafka in self.kafka.items() if name != region}


def _lost(done: Done) -> str:
    if done.tail_age_s is None:
        return "nobody saw where its events ended"
    seen = sum(one.seen or 0 for one in done.tail)
    each = [one.records for one in done.tail]
    known = [records for records in each if records is not None]
    at_most = f"at most {sum(known)}" if len(known) == len(each) else "nobody knows how many more"
    return (
        f"{seen} of its events were seen and are not here, and {at_most} may be lost until it is"
        f" back: it was seen {done.tail_age_s:.1f} s ago"
    )
