"""A format of user states as a later release might bring it: the first one, compressed.

For the tests of migrations. A release that brings a second format for good puts it into
schemas/state.py, and this one becomes the third.
"""

import zlib

from schemas.state import BOUNDS_VERSION, FORMATS, Format, UnknownFormatError, UserState

FORMAT_2 = 2
_HEAD_BYTES = 2


def _encode(state: UserState) -> bytes:
    body = FORMATS[1].encode(state)[_HEAD_BYTES:]
    return bytes((FORMAT_2, BOUNDS_VERSION)) + zlib.compress(body)


def _decode(data: bytes) -> UserState:
    if data[1] != BOUNDS_VERSION:
        raise UnknownFormatError(f"user state bounds {data[1]} are not known")
    try:
        body = zlib.decompress(data[_HEAD_BYTES:])
    except zlib.error as error:
        raise ValueError(f"a user state of format 2 cannot be read: {error}") from error
    return FORMATS[1].decode(bytes((1, BOUNDS_VERSION)) + body)


SECOND = Format(_encode, _decode)
