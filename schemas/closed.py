"""Notices unknown fields, at little cost to the messages that have none.

msgspec passes over unknown fields without a word, or refuses them where a type says so. The types
of the contract do not say so, for every reader must pass over them; but a worker counts them. So
it decodes into closed types made here, and turns what came of it into the declared ones. Called
by `schemas.codec`.
"""

import functools
import operator
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

M = TypeVar("M", bound=msgspec.Struct)


class ClosedDecoder(Generic[M]):
    """Decodes a message of one of the kinds, raising msgspec's errors, also for unknown fields."""

    def __init__(self, kinds: tuple[type[msgspec.Struct], ...]) -> None:
        closed = {_closed(kind): kind for kind in kinds}
        family: Any = functools.reduce(operator.or_, closed)
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(family)
        self._declared = {kind: _rebuild(declared) for kind, declared in closed.items()}

        self.decode_closed: Callable[[bytes], M] = self._decoder.decode
        """The same without the last step: of a subclass of the declared type."""

    def decode(self, value: bytes) -> M:
        message = self._decoder.decode(value)
        declared: M = self._declared[type(message)](message)
        return declared


@functools.cache
def _closed(kind: type[msgspec.Struct]) -> type[msgspec.Struct]:
    config = kind.__struct_config__
    return msgspec.defstruct(
        kind.__name__,
        [],
        bases=(kind,),
        module=kind.__module__,
        forbid_unknown_fields=True,
        frozen=True,
        omit_defaults=bool(config.omit_defaults),
        gc=bool(config.gc),
    )


@functools.cache
def _rebuild(declared: type[msgspec.Struct]) -> Callable[[Any], Any]:
    """Makes a closed message one of the declared type, which equals others of its kind and can be
    told by its type. Written out as source, for it runs once a record (0.1 us).
    """
    names = (field.name for field in msgspec.structs.fields(declared))
    arguments = ", ".join(f"{name}=message.{name}" for name in names)
    rebuild: Callable[[Any], Any] = eval(  # noqa: S307 - of the declared names alone
        f"lambda message: declared({arguments})", {"declared": declared}
    )
    return rebuild
