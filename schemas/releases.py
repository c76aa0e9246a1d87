"""What a release folder holds; the training side writes it, workers and Triton read it.

release.json   a Manifest; its hash is in the `model-releases` record
items.json     a JSON array of ReleaseItem, most popular first
model.npz ...  whatever the model itself needs, named in the manifest with its hash
golden.npz     inputs and outputs (schemas.serving names) that every server must reproduce
"""

import msgspec

from schemas.identifiers import ItemId

MANIFEST = "release.json"
ITEMS = "items.json"
GOLDEN = "golden.npz"


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """Where a model comes from. `fingerprint` is the hash of the interactions it was fitted on,
    `parts` are the sources of the blend.
    """

    dataset: str
    fingerprint: str
    interactions: int
    users: int
    seed: int
    seconds: float
    parts: list[str] = []


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The head of a release. `files` maps each other file's name to its sha256."""

    model: str
    version: str
    created_ms: int
    training: Training
    metrics: dict[str, float]
    files: dict[str, str]


class ReleaseItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An item that the model knows. `interactions` is how often it was seen in training."""

    item_id: ItemId
    interactions: int
    title: str | None = None
    categories: list[str] = []
