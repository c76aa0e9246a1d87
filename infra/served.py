"""What a region serves after a command: pure. Called by `infra.releases`, which makes it so.

A canary is beside what is served and takes a share of the users, the same ones in every region.
`before` is what a rollback goes back to.
"""

from inference.errors import ReleaseError
from schemas.control import Canary, Served


def released(now: Served | None, version: str, share: float | None = None) -> Served:
    """`share` above 0 and below 1 makes it a canary; None serves it to all. Raises ReleaseError."""
    if share is None:
        return Served(version=version, before=_before(now, version))
    if now is None:
        raise ReleaseError("nothing is served yet that a canary could stand beside")
    if now.version == version:
        raise ReleaseError(f"version {version} is served to all already")
    return Served(
        version=now.version, canary=Canary(version=version, share=share), before=now.before
    )


def promoted(now: Served | None) -> Served:
    """The canary, for all. Raises ReleaseError."""
    if now is None or now.canary is None:
        raise ReleaseError("no canary is served that could be promoted")
    return released(now, now.canary.version)


def rolled_back(now: Served | None, to: str | None = None) -> Served:
    """Without the canary, where there is one; else what was served before; or the version that is
    named. Raises ReleaseError.
    """
    if now is None:
        raise ReleaseError("nothing is served that could be rolled back")
    if to is not None:
        return Served(version=to)
    if now.canary is not None:
        return Served(version=now.version, before=now.before)
    if now.before is None:
        raise ReleaseError(
            f"it is not known what was served before version {now.version}; --to names a version"
        )
    return Served(version=now.before)


def versions(served: Served | None) -> tuple[str, ...]:
    """All that users may be scored by."""
    if served is None:
        return ()
    canary = (served.canary.version,) if served.canary is not None else ()
    return (served.version, *canary)


def _before(now: Served | None, version: str) -> str | None:
    if now is None:
        return None
    return now.version if now.version != version else now.before
