"""What a checker found wrong: how often, and the first examples of each kind."""

from collections import Counter
from collections.abc import Iterable

import msgspec

_EXAMPLES = 5


class Findings:
    """Empty where all is right."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, list[str]] = {}
        self.looked_at: Counter[str] = Counter()
        """How much was looked at, by what it is; a check of nothing proves nothing."""

    def add(self, kind: str, example: str) -> None:
        self.counts[kind] += 1
        examples = self.examples.setdefault(kind, [])
        if len(examples) < _EXAMPLES:
            examples.append(example)

    def add_all(self, kind: str, examples: Iterable[object]) -> None:
        for example in examples:
            self.add(kind, str(example))

    def looked(self, what: str, count: int = 1) -> None:
        self.looked_at[what] += count

    def take(self, other: "Findings") -> None:
        """What another checker found, too."""
        self.counts += other.counts
        self.looked_at += other.looked_at
        for kind, examples in other.examples.items():
            mine = self.examples.setdefault(kind, [])
            mine += examples[: _EXAMPLES - len(mine)]

    def __bool__(self) -> bool:
        return bool(self.counts)

    def __str__(self) -> str:
        if not self:
            return "nothing wrong"
        return "\n".join(
            f"{count} {kind}, such as {'; '.join(self.examples[kind])}"
            for kind, count in sorted(self.counts.items())
        )


class Report(msgspec.Struct, kw_only=True):
    """How a drill went; what `tidemill drill --json` writes."""

    drill: str
    passed: bool
    figures: dict[str, object] = {}
    table: list[tuple[str, str]] = []
    """(what, how much) of what a person asks first."""
    looked_at: dict[str, int] = {}
    wrong: dict[str, int] = {}
    examples: dict[str, list[str]] = {}


def report(
    drill: str,
    findings: Findings,
    figures: dict[str, object],
    table: list[tuple[str, str]] | None = None,
) -> Report:
    return Report(
        drill=drill,
        passed=not findings,
        figures=figures,
        table=table or [],
        looked_at=dict(sorted(findings.looked_at.items())),
        wrong=dict(findings.counts),
        examples=findings.examples,
    )
