"""Turns the rows of a source into Interactions, or says which line is wrong.

Every loader adds its rows here, so all sources are checked alike. Rows may come in any order and
repeat: they are sorted by time, and a row that says again what an earlier one said is dropped and
counted, as it would be on the topics.
"""

import math
from array import array
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.data.interactions import Interactions
from inference.errors import DataError
from schemas.codec import EARLIEST_MS
from schemas.state import KIND_CODES

_LONGEST = {"user": 128, "item": 256}
"""In characters, as `schemas.identifiers` bounds them."""


class Rows:
    """Collects the rows of one source. `kind` is that of rows which do not say."""

    def __init__(self, name: str, file: Path, *, kind: str = "click", timed: bool = True) -> None:
        self.name, self.file, self.kind, self.timed = name, file, kind, timed
        self.users: dict[str, int] = {}
        self.items: dict[str, int] = {}
        self._user, self._item, self._line = array("i"), array("i"), array("q")
        self._time, self._value, self._kind = array("d"), array("f"), array("B")

    def __len__(self) -> int:
        return len(self._user)

    def add(
        self,
        line: int,
        user: str,
        item: str,
        time: str | float,
        value: str | float | None = None,
        kind: str | None = None,
    ) -> None:
        """`time` is in seconds or milliseconds since 1970, or ISO 8601. Raises DataError."""
        code = KIND_CODES.get(kind or self.kind)
        if code is None:
            raise DataError(f"kind {kind!r} is none of {', '.join(KIND_CODES)}", self.file, line)
        self._time.append(self._time_of(time, line))
        self._value.append(self._value_of(value, line))
        self._user.append(self._index(self.users, "user", user, line))
        self._item.append(self._index(self.items, "item", item, line))
        self._kind.append(code)
        self._line.append(line)

    def finish(
        self,
        titles: dict[str, str] | None = None,
        categories: dict[str, tuple[str, ...]] | None = None,
    ) -> Interactions:
        """Sorted, without repeats, times in milliseconds. Raises DataError if too little is left
        to learn from.
        """
        for what, known in (("user", self.users), ("item", self.items)):
            if len(known) < 2:
                only = f"only the {what} {next(iter(known))!r}" if known else "no interaction"
                raise DataError(f"it holds {only}; nothing can be learnt from that", self.file)
        log = Interactions(
            name=self.name,
            users=tuple(self.users),
            items=tuple(self.items),
            user=np.array(self._user, np.int32),
            item=np.array(self._item, np.int32),
            time_ms=self._times_ms(),
            value=np.array(self._value, np.float32),
            kind=np.array(self._kind, np.uint8),
            line=np.array(self._line, np.int64),
            timed=self.timed,
            titles=tuple(titles.get(item) for item in self.items) if titles else (),
            categories=tuple(categories.get(i, ()) for i in self.items) if categories else (),
        )
        repeats = _repeats(log)
        order = np.argsort(log.time_ms, kind="stable")
        kept = log.select(order[~repeats[order]])
        return replace(kept, repeats_dropped=int(repeats.sum()))

    def _index(self, known: dict[str, int], what: str, identifier: str, line: int) -> int:
        index = known.get(identifier)
        if index is not None:
            return index
        if not identifier:
            raise DataError(f"the {what} id is empty", self.file, line)
        if len(identifier) > _LONGEST[what]:
            raise DataError(
                f"the {what} id {identifier[:20]!r}... has {len(identifier)} characters;"
                f" at most {_LONGEST[what]} are allowed",
                self.file,
                line,
            )
        return known.setdefault(identifier, len(known))

    def _time_of(self, time: str | float, line: int) -> float:
        try:
            number = float(time)
        except ValueError:
            number = self._iso(str(time), line)
        if not (math.isfinite(number) and number >= 0):
            raise DataError(f"the time {time} is not at or after 1970", self.file, line)
        return number

    def _iso(self, text: str, line: int) -> float:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise DataError(
                f"the time {text!r} is neither a number nor ISO 8601", self.file, line
            ) from None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000

    def _value_of(self, value: str | float | None, line: int) -> float:
        if value is None or value == "":
            return math.nan
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise DataError(f"the value {value!r} is not a number", self.file, line)
        return number

    def _times_ms(self) -> NDArray[np.int64]:
        """Decides between seconds and milliseconds for the source as a whole."""
        time = np.array(self._time, np.float64)
        if not self.timed:
            return time.astype(np.int64)
        in_seconds = time < EARLIEST_MS
        if in_seconds.all():
            return (time * 1000).round().astype(np.int64)
        if in_seconds.any():
            odd = int(np.flatnonzero(in_seconds != in_seconds[0])[0])
            raise DataError(
                f"the time {self._time[odd]:.0f} is in"
                f" {'seconds' if in_seconds[odd] else 'milliseconds'}, those before it are not",
                self.file,
                self._line[odd],
            )
        return time.round().astype(np.int64)


def _repeats(log: Interactions) -> NDArray[np.bool_]:
    """(rows,) true where an earlier row says the same. NaN equals NaN here."""
    value = log.value.view(np.uint32)
    columns = (log.kind, value, log.item, log.user, log.time_ms)
    order = np.lexsort(columns)  # stable, so the first of equals is the first in the source
    same = np.ones(len(log) - 1, np.bool_)
    for column in columns:
        same &= column[order][1:] == column[order][:-1]
    repeats = np.zeros(len(log), np.bool_)
    repeats[order[1:]] = same
    return repeats
