"""What a person is told of a failover first: one line a question."""

from collections.abc import Mapping
from typing import Any

from tests.drills.check.findings import Findings

_TOLD = 3
"""Of the ids that were lost for a while; the document has all."""

Table = list[tuple[str, str]]


def failover_table(figures: Mapping[str, Any], findings: Findings) -> Table:
    wrong, looked = findings.counts, findings.looked_at
    lost, rto, back = figures["lost_for_a_while"], figures["rto_s"], figures["failback"]
    users, slates = figures["users under traffic"], figures["slates"]
    hashes = ", ".join(f"{name} {digest[:12]}" for name, digest in figures["state_hash"].items())
    unanswered = wrong["asks without an answer at a reader"]
    twice = wrong["ids that a reader was given twice"]
    taken = wrong["slates of an ended epoch at a reader"]
    first = f" ({', '.join(lost[:_TOLD])}{' ...' * (len(lost) > _TOLD)})" if lost else ""
    return [
        ("RPO foretold, events a partition", _each(figures["rpo_foretold"])),
        ("RPO found, events a partition", _each(figures["rpo_found"])),
        ("lost until the region was back", f"{len(lost)}{first}"),
        ("RTO, seconds a partition", f"{_each(rto)}; at most {max(rto.values())}"),
        (
            "asks at the readers of both regions",
            f"{looked['asks at readers']}; unanswered {unanswered}, ids given twice {twice}",
        ),
        (
            "answers of the revived region at its old epoch",
            f"{figures['answers_at_an_ended_epoch']}; taken by a reader that knew {taken}",
        ),
        ("whole states at rest", hashes),
        (
            "users compared under traffic",
            f"{users['alike']} alike, {users['differ_twice']} differ twice",
        ),
        (
            "slates of one cause by both regions",
            f"{slates['pairs']}; comparable {slates['comparable']}, equal {slates['equal']}",
        ),
        (
            "seconds to fail back",
            f"{back['seconds']}; no partition silent for more than {back['silent_s']}",
        ),
        ("events, acknowledged and in both regions", str(figures["events"])),
        ("findings", str(sum(wrong.values()))),
    ]


def _each(found: Mapping[int, Any]) -> str:
    return " ".join(str(found[number]) for number in sorted(found))
