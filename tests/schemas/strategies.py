"""Hypothesis strategies for the messages, made from their types."""

from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

_INT64 = st.integers(-(2**63), 2**63 - 1)


def of(message: Any) -> st.SearchStrategy[Any]:
    """Every message of this type, or family of types."""
    return _of(inspect.type_info(message))


def _of(kind: inspect.Type) -> st.SearchStrategy[Any]:
    return _STRATEGIES[type(kind)](kind)


def _int(kind: inspect.IntType) -> st.SearchStrategy[int]:
    return _INT64 if kind.ge is None else st.integers(kind.ge, kind.le)


def _float(kind: inspect.FloatType) -> st.SearchStrategy[float]:
    if kind.gt is not None:
        return st.floats(kind.gt, 1e300, exclude_min=True)
    if kind.ge is not None:
        return st.floats(kind.ge, 1e300 if kind.le is None else kind.le)
    return st.floats(allow_nan=False, allow_infinity=False)


def _str(kind: inspect.StrType) -> st.SearchStrategy[str]:
    if kind.pattern:
        return st.from_regex(kind.pattern.replace("$", r"\Z"), fullmatch=True)
    characters = st.characters(codec="utf-8")
    return st.text(characters, min_size=kind.min_length or 0, max_size=kind.max_length or 300)


_STRATEGIES: dict[type, Callable[[Any], st.SearchStrategy[Any]]] = {
    inspect.NoneType: lambda _: st.none(),
    inspect.BoolType: lambda _: st.booleans(),
    inspect.IntType: _int,
    inspect.FloatType: _float,
    inspect.StrType: _str,
    inspect.LiteralType: lambda kind: st.sampled_from(kind.values),
    inspect.ListType: lambda kind: st.lists(_of(kind.item_type), max_size=4),
    inspect.DictType: lambda kind: st.dictionaries(
        _of(kind.key_type), _of(kind.value_type), max_size=4
    ),
    inspect.UnionType: lambda kind: st.one_of([_of(each) for each in kind.types]),
    inspect.Metadata: lambda kind: _of(kind.type),
    inspect.StructType: lambda kind: st.builds(
        kind.cls, **{field.name: _of(field.type) for field in kind.fields}
    ),
}


def with_unknown(message: msgspec.Struct, value: Any) -> bytes:
    """The message's JSON with a field that nobody knows."""
    fields = msgspec.to_builtins(message, str_keys=True)
    return msgspec.json.encode(fields | {"added_later": value})
