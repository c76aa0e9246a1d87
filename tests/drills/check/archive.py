"""The archive's tables and views against the topics: each record is there, and counted once."""

from collections.abc import Callable, Sequence
from contextlib import closing

from schemas.topics import DEAD_LETTERS, RECOMMENDATIONS
from tests.drills.check.findings import Findings
from tests.drills.check.inputs import Inputs
from tests.drills.check.logs import Logs

Execute = Callable[[str], Sequence[Sequence[object]]]


class Wanted:
    """What the topics hold now."""

    def __init__(self, bootstrap: str, inputs: Inputs) -> None:
        self.events: set[tuple[str, str]] = set()
        self.recommendations: set[str] = set()
        self.dead_letters = 0
        with closing(Logs(bootstrap)) as logs:
            for feed in inputs.feeds:
                for number in range(inputs.partitions):
                    for read in inputs.read(logs, feed, number, ""):
                        if read.event is not None:
                            self.events.add((read.event.user_id, read.event.event_id))
            for number in range(inputs.partitions):
                for message in logs.records(RECOMMENDATIONS.name, number):
                    self.recommendations.add(_identity(message.value()))
            for number in range(DEAD_LETTERS.partitions.count(0)):
                self.dead_letters += sum(1 for _ in logs.records(DEAD_LETTERS.name, number))

    def is_in(self, execute: Execute) -> bool:
        """Whether the tables hold as much; for waiting."""
        return (
            _number(execute, "SELECT uniqExact(user_id, event_id) FROM user_events")
            >= len(self.events)
            and _number(execute, "SELECT uniqExact(recommendation_id) FROM recommendations")
            >= len(self.recommendations)
            and _number(execute, "SELECT count() FROM dead_letters FINAL") >= self.dead_letters
        )


def check_archive(execute: Execute, wanted: Wanted, findings: Findings) -> None:
    events = {(str(u), str(e)) for u, e in execute("SELECT user_id, event_id FROM user_events")}
    findings.add_all("events that the archive lacks", wanted.events - events)
    findings.add_all("events that only the archive has", events - wanted.events)
    told = execute("SELECT DISTINCT recommendation_id FROM recommendations")
    slates = {str(identity) for (identity,) in told}
    findings.add_all("slates that the archive lacks", wanted.recommendations - slates)
    findings.add_all("slates that only the archive has", slates - wanted.recommendations)
    counts = {
        "SELECT count() FROM user_events FINAL": len(wanted.events),
        "SELECT sum(events) FROM events_per_minute": len(wanted.events),
        "SELECT count() FROM recommendations FINAL": len(wanted.recommendations),
        "SELECT sum(recommendations) FROM recommendations_per_minute": len(wanted.recommendations),
        "SELECT count() FROM dead_letters FINAL": wanted.dead_letters,
    }
    for query, count in counts.items():
        found = _number(execute, query)
        findings.looked("rows", found)
        if found != count:
            findings.add("wrong counts in the archive", f"{query}: {found}, not {count}")


def _number(execute: Execute, query: str) -> int:
    ((number,),) = execute(query)
    assert isinstance(number, int)
    return number


def _identity(value: bytes) -> str:
    begin = value.index(b'"recommendation_id":"') + 21
    return value[begin : value.index(b'"', begin)].decode()
