"""All partitions of a cluster, checked one after the other, so that memory stays small."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from schemas.topics import DEAD_LETTERS, RECOMMENDATIONS, STATE_CHANGELOG
from tests.drills.check import changelog, logs
from tests.drills.check.findings import Findings
from tests.drills.check.inputs import Inputs
from tests.drills.check.logs import Logs
from tests.drills.check.partition import (
    Truth,
    check_answers,
    check_flushed,
    check_restorable,
    truth,
)
from tests.drills.check.stores import check_stores

Acknowledged = Mapping[str, Sequence[int]]
"""Prefix of the event ids -> for each number behind it, whether the broker acknowledged it."""


@dataclass
class Checker:
    bootstrap: str
    inputs: Inputs
    watched_share: float = 1.0

    def check(self, acknowledged: Acknowledged | None = None) -> Findings:
        """While the workers run, once they have nothing left to do."""
        findings, seen = Findings(), _Seen(acknowledged or {})
        refused: set[tuple[str, int, int]] = set()
        for number, found, kept, reader in self._partitions(findings):
            seen.note(found.event_ids)
            refused |= found.refused
            check_restorable(number, found, kept, findings)
            check_answers(reader, number, found, findings)
        findings.add_all("acknowledged events that the log lacks", seen.lost())
        findings.looked("acknowledged events", seen.count)
        self._check_dead_letters(refused, findings)
        self._check_transactions(findings)
        return findings

    def check_restorable(self) -> Findings:
        """At any moment, also under load: what a start would restore now."""
        findings = Findings()
        for number, found, kept, _ in self._partitions(findings, watched_share=0.0):
            check_restorable(number, found, kept, findings)
        return findings

    def check_stopped(self, state_dirs: Iterable[Path]) -> Findings:
        """After all workers were stopped in good order."""
        findings, folders = Findings(), list(state_dirs)
        for number, found, kept, _ in self._partitions(findings, watched_share=0.0):
            check_flushed(number, found, kept, findings)
            theirs = (folder / str(number) for folder in folders)
            check_stores(number, theirs, found, kept, self._ids[STATE_CHANGELOG.name], findings)
        return findings

    def unanswered(self) -> int:
        """Asks without an answer now."""
        findings = Findings()
        for number, found, _, reader in self._partitions(findings, watched_share=0.0):
            check_answers(reader, number, found, findings)
        return findings.counts["asks without an answer"]

    def _partitions(
        self, findings: Findings, watched_share: float | None = None
    ) -> Iterator[tuple[int, Truth, changelog.Changelog, Logs]]:
        admin = logs.administrator(self.bootstrap)
        feeds = [feed.topic for feed in self.inputs.feeds]
        self._ids = logs.topic_ids(admin, *feeds, STATE_CHANGELOG.name)
        share = self.watched_share if watched_share is None else watched_share
        with closing(Logs(self.bootstrap)) as reader:
            for number in range(self.inputs.partitions):
                # The changelog first: what it holds, the input behind it has, too.
                kept = changelog.read(reader, number)
                found = truth(
                    reader, self.inputs, self._ids, number, kept.marker, watched_share=share
                )
                findings.looked("records of the changelog", kept.records)
                yield number, found, kept, reader

    def _check_dead_letters(self, refused: set[tuple[str, int, int]], findings: Findings) -> None:
        """Each refused record has its dead letter, once."""
        times: Counter[tuple[str, int, int]] = Counter()
        found_at: Callable[[Mapping[str, bytes]], tuple[str, int, int]] = self._source
        with closing(Logs(self.bootstrap)) as reader:
            for number in range(DEAD_LETTERS.partitions.count(0)):
                for message in reader.records(DEAD_LETTERS.name, number):
                    times[found_at(dict(message.headers()))] += 1
        wanted = {self._by_name(place) for place in refused}
        findings.looked("dead letters", sum(times.values()))
        findings.add_all("refused records without a dead letter", wanted - times.keys())
        findings.add_all("dead letters of nothing", times.keys() - wanted)
        twice = (place for place, count in times.items() if count > 1)
        findings.add_all("repeated dead letters", twice if not self.inputs.gone else ())

    def _source(self, headers: Mapping[str, bytes]) -> tuple[str, int, int]:
        return (
            headers["dead-letter-topic"].decode(),
            int(headers["dead-letter-partition"]),
            int(headers["dead-letter-offset"]),
        )

    def _by_name(self, place: tuple[str, int, int]) -> tuple[str, int, int]:
        names = {topic_id: name for name, topic_id in self._ids.items()}
        topic_id, partition, offset = place
        return names.get(topic_id) or self.inputs.feeds[0].topic, partition, offset

    def _check_transactions(self, findings: Findings) -> None:
        """Nothing hangs in a transaction that nobody ends: readers would see no further."""
        admin = logs.administrator(self.bootstrap)
        for topic in (RECOMMENDATIONS, STATE_CHANGELOG):
            count = self.inputs.partitions
            seen = logs.ends(admin, topic.name, count)
            there = logs.ends(admin, topic.name, count, committed=False)
            findings.add_all(
                "open transactions", (f"{topic.name}-{n}" for n in seen if seen[n] < there[n])
            )


class _Seen:
    """Which acknowledged events the log has."""

    def __init__(self, acknowledged: Acknowledged) -> None:
        self._acknowledged = acknowledged
        self._seen = {prefix: bytearray(len(acks)) for prefix, acks in acknowledged.items()}
        self.count = sum(sum(acks) for acks in acknowledged.values())

    def note(self, event_ids: Iterable[str]) -> None:
        for event_id in event_ids:
            prefix, _, number = event_id.rpartition("-")
            if prefix in self._seen and int(number) < len(self._seen[prefix]):
                self._seen[prefix][int(number)] = 1

    def lost(self) -> Iterator[str]:
        for prefix, acks in self._acknowledged.items():
            for number, (acked, seen) in enumerate(zip(acks, self._seen[prefix], strict=True)):
                if acked and not seen:
                    yield f"{prefix}-{number}"
