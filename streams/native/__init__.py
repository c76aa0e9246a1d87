"""The way of a plain record through the `recommend` stage, in C (source/): decoding, the fold,
recent asks and the newest ask of each place, for a tenth of what Python's objects cost.

Python stays the reference and does everything that is not plain, so the worker runs without it
as well. `make install` compiles it (build.py); a worker loads what was compiled from these very
sources, or says once why it goes on without. It must never give other bytes, other asks or
another order than the Python code: tests/streams/test_native_*.py hold it to that, and what it
knows of layouts and bounds is compared here before it is used. Called by `stages/intake.py`.
"""

import functools
import logging
from collections.abc import Mapping
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_loader
from typing import Any

import msgspec
import xxhash

from schemas.codec import EARLIEST_MS, LATEST_MS, MESSAGES
from schemas.state import BOUNDS_VERSION, FORMAT, HISTORY_LIMIT, MAP_LIMITS
from schemas.topics import DAY_MS, MAX_EVENT_BYTES
from streams.native.build import compiled
from streams.native.contract import Native
from streams.stages.recent import WINDOW_MS
from streams.state.fold import FAST_CLOCK_MS, FOLD_VERSION

log = logging.getLogger(__name__)


def rules() -> dict[str, object]:
    """What the C code was written by: whoever changes one of these has to look at it again."""
    return {
        "format": FORMAT,
        "bounds": BOUNDS_VERSION,
        "fold": FOLD_VERSION,
        "history": HISTORY_LIMIT,
        "maps": MAP_LIMITS,
        "times_ms": (EARLIEST_MS, LATEST_MS, DAY_MS, FAST_CLOCK_MS, WINDOW_MS),
        "event_bytes": MAX_EVENT_BYTES,
        "events": _digest_of_events(),
    }


def _digest_of_events() -> str:
    """Of the fields of all kinds with their types and bounds, in whatever words described."""
    schema = _undescribed(msgspec.json.schema(MESSAGES["user-event"]))
    return xxhash.xxh3_64_hexdigest(msgspec.json.encode(schema, order="deterministic"))


def _undescribed(schema: Any) -> Any:
    if isinstance(schema, Mapping):
        return {
            key: _undescribed(value)
            for key, value in schema.items()
            if not (key == "description" and isinstance(value, str))
        }
    return [_undescribed(one) for one in schema] if isinstance(schema, list) else schema


class UnavailableError(Exception):
    """Why the compiled code cannot be used, and what to do about it."""


def chosen(setting: str) -> Native | None:
    """What the setting `native` asks for: `auto` or `off`. None: everything goes through Python."""
    if setting == "off":
        return None
    try:
        return native()
    except UnavailableError as error:
        _say_once(str(error))
        return None


@functools.cache
def native() -> Native:
    """The compiled module. Raises UnavailableError."""
    path = compiled()
    if not path.exists():
        raise UnavailableError(
            "it was not compiled from these sources; `make install` does it where there are a C"
            " compiler and Python's headers (on Debian: gcc and python3-dev)"
        )
    loader = ExtensionFileLoader("hot", str(path))
    spec = spec_from_loader("hot", loader)
    assert spec is not None
    try:
        module: Any = module_from_spec(spec)
        loader.exec_module(module)
    except (ImportError, OSError) as error:
        raise UnavailableError(f"{path} cannot be loaded: {error}") from error
    found: Native = module
    ours = rules()
    if differing := [name for name, value in ours.items() if found.RULES[name] != value]:
        said = ", ".join(f"{name} {found.RULES[name]} not {ours[name]}" for name in differing)
        raise UnavailableError(
            f"its sources were written by other rules than this release's: {said}"
        )
    return found


@functools.cache
def _say_once(reason: str) -> None:
    log.warning("plain records go through Python, which costs more: %s", reason)


def unavailable() -> str | None:
    """Why a worker started now would go on without it; None where it would not."""
    try:
        native()
    except UnavailableError as error:
        return str(error)
    return None
