"""Whether a worker works: what its metrics tell."""

import urllib.request
from typing import Literal

import msgspec
from prometheus_client.parser import text_string_to_metric_families

Answer = Literal["no", "idle", "yes"]

_ANSWER_S = 2.0
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""A proxy that the environment names is for other machines."""


class Probe(msgspec.Struct, frozen=True):
    """Working is who answers at `url`, with a sample of `family` where that is not None.

    `phases` names an Enum with a label for each partition that the worker holds, all of which must
    be at `open`. A worker that holds none is idle: either it will get some in a moment, or there
    are more workers than partitions.
    """

    url: str
    family: str | None = None
    phases: str | None = None
    open: str = "open"

    def exposition(self) -> str:
        """All metrics as text. Raises OSError where nobody answers."""
        with _DIRECT.open(self.url, timeout=_ANSWER_S) as answer:
            text: str = answer.read().decode()
            return text

    def answer(self) -> Answer:
        """Raises OSError where nobody answers."""
        text = self.exposition()
        if self.family is None and self.phases is None:
            return "yes"
        families = {family.name: family for family in text_string_to_metric_families(text)}
        if self.family is not None and not getattr(families.get(self.family), "samples", None):
            return "no"
        if self.phases is None:
            return "yes"
        found = families.get(self.phases)
        at = [s.labels[self.phases] for s in (found.samples if found else ()) if s.value]
        if not at:
            return "idle"
        return "yes" if all(phase == self.open for phase in at) else "no"
