"""Candidates that came after the release: what is known of them meets what Triton says of a user.

Called by `answering` for each slate. The rules themselves are pure (streams/slate/new_items.py).
"""

from collections.abc import Sequence
from typing import NamedTuple

from schemas.releases import TextSpace
from schemas.serving import MODEL
from streams.catalogue.vectors import NO_VECTORS, Held, Version
from streams.scoring.candidates import Candidate, Scored
from streams.slate.new_items import new_candidates
from streams.stages.known import Known
from streams.stages.late import Planned

_WANTED = 20
"""More than a slate has places for them: some were shown a moment ago."""


class Chosen(NamedTuple):
    """Candidates, best first, and the digest of all that they were chosen from."""

    candidates: Sequence[Candidate]
    digest: str


_NONE = Chosen((), NO_VECTORS)


class NewItems:
    """`share` of a slate; with none, nobody's vector is wanted."""

    def __init__(self, known: Known, share: float) -> None:
        self._known = known
        self._share = share

    def are_there(self, version: str | None) -> bool:
        """For whom is scored by this version; then the user's vector is wanted too."""
        return self._of(version) is not None

    def choose(self, plan: Planned, scored: Scored) -> Chosen:
        if scored.vector is None or plan.version is None:
            return _NONE
        found = self._of(plan.version)
        if found is None:
            return _NONE
        held, space = found
        return Chosen(
            new_candidates(held, scored.vector, space, plan.wanted.exclude, _WANTED),
            self._known.vectors.digest(Version(MODEL, plan.version)),
        )

    def _of(self, version: str | None) -> tuple[Held, TextSpace] | None:
        """Those that a version can be given, and its scale."""
        release = None if version is None else self._known.catalogue.release(version)
        if release is None or release.space is None or self._share == 0:
            return None
        held = self._known.vectors.held(Version(MODEL, release.version), release.space.dim)
        return None if held is None else (held, release.space)
