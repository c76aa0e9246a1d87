"""Manifests of backups that never were, for tests of what is done with manifests."""

from infra.backup.manifest import Manifest, States
from schemas.state import BOUNDS_VERSION, Marker, Position
from streams.state.fold import FOLD_VERSION


def manifest_of(**fields: object) -> Manifest:
    marker = Marker(fold=FOLD_VERSION, changelog="id", offsets={"in": 3})
    part = States(
        partition=0, begin=0, end=9, users=2, digest="0" * 32, files=[],
        position=Position(offsets={"in": 4}), marker=marker,
    )  # fmt: skip
    known: dict[str, object] = {
        "id": "one", "region": "east", "created_ms": 1, "took_s": 0.5, "kind": "full",
        "partitions": 1, "topics": {"in": "in-id"}, "state_formats": [1],
        "bounds": BOUNDS_VERSION, "folds": [FOLD_VERSION], "states": [part],
    }  # fmt: skip
    return Manifest(**(known | fields))  # type: ignore[arg-type]
