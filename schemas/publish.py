"""Writes schemas/published: a JSON Schema a message, and one AsyncAPI document of all topics.

Run `python -m schemas.publish` after any change of the contract; a test fails when the files are
not what the types say. Nothing reads them at run time: they are for producers and consumers.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from schemas.asyncapi import document
from schemas.codec import MESSAGES, VERSIONS

PUBLISHED = Path(__file__).parent / "published"


def published() -> dict[str, str]:
    """Every file's name and text."""
    files = {f"{name}.schema.json": _json_schema(name) for name in MESSAGES}
    return files | {"asyncapi.yaml": "\n".join(["# Generated.", *_yaml(document(), 0)]) + "\n"}


def write(folder: Path) -> None:
    """Makes the folder hold these files and no others."""
    files = published()
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        if path.name not in files:
            path.unlink()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def _json_schema(name: str) -> str:
    schema = msgspec.json.schema(MESSAGES[name])
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{name}.schema.json",
        "title": f"{name}/{VERSIONS[name]}",
    }
    return json.dumps(head | schema, indent=2, ensure_ascii=False) + "\n"


def _yaml(node: Any, depth: int) -> Iterator[str]:
    """A document of mappings, lists of scalars and scalars as YAML; every string as in JSON."""
    for key, value in node.items():
        name = "  " * depth + (key if key.isidentifier() else json.dumps(key))
        if isinstance(value, dict):
            yield f"{name}:"
            yield from _yaml(value, depth + 1)
        else:
            yield f"{name}: {json.dumps(value, ensure_ascii=False)}"


if __name__ == "__main__":
    write(PUBLISHED)
    sys.stdout.write(f"{len(published())} files in {PUBLISHED}\n")
