"""What a release folder holds; the training side writes it, workers and Triton read it.

release.json   a Manifest; its hash is in the `model-releases` record
items.json     a JSON array of ReleaseItem, most popular first
model.npz ...  whatever the model itself needs, named in the manifest with its hash
golden.npz     inputs and outputs (schemas.serving names) that every server must reproduce
text.npz       only where the manifest has a `text`: the encoder's fitted part and the item vectors
"""

import msgspec

from schemas.identifiers import ItemId

MANIFEST = "release.json"
ITEMS = "items.json"
GOLDEN = "golden.npz"
TEXT = "text.npz"


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """Where a model comes from. `fingerprint` is the hash of the interactions it was fitted on,
    `parts` are the sources of the blend, `compression` says how its transformer was made smaller,
    or that it was left out.
    """

    dataset: str
    fingerprint: str
    interactions: int
    users: int
    seed: int
    seconds: float
    parts: list[str] = []
    compression: str = ""


class TextSpace(msgspec.Struct, frozen=True, kw_only=True):
    """Where items lie by their text, `dim` numbers each, of length 1. An item without interactions
    is worth `offset + slope * cosine` to a user, the cosine being that of both vectors, on the
    scale of the model's own scores.
    """

    encoder: str
    dim: int
    slope: float
    offset: float


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The head of a release. `files` maps each other file's name to its sha256."""

    model: str
    version: str
    created_ms: int
    training: Training
    metrics: dict[str, float]
    files: dict[str, str]
    text: TextSpace | None = None


class ReleaseItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An item that the model knows. `interactions` is how often it was seen in training."""

    item_id: ItemId
    interactions: int
    title: str | None = None
    categories: list[str] = []
