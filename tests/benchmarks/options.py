"""The numbers of a benchmark that a person may change for a shorter or another try.

Each benchmark declares its own as a frozen dataclass of this base; the defaults are what is
committed. A document says its command with only what differs from them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self


@dataclass(frozen=True)
class Chosen:
    """A field is an int, a float, a string or a tuple of one of these."""

    benchmark: ClassVar[str] = ""

    @classmethod
    def of(cls, words: Sequence[str]) -> Self:
        """Of `--name value` or `--name=value`. Raises ValueError: a sentence with the names that
        there are.
        """
        known = {_option(field.name): field for field in fields(cls)}
        given: dict[str, Any] = {}
        left = iter(words)
        for word in left:
            option, _, text = word.partition("=")
            if option not in known:
                raise ValueError(f"{word}: there are only {', '.join(known)}")
            field = known[option]
            text = text or next(left, "")
            try:
                given[field.name] = _like(field.default, text)
            except ValueError:
                raise ValueError(f"{option} {text}: like {_text(field.default)}") from None
        return cls(**given)

    @property
    def command(self) -> str:
        words = [f"tidemill bench {self.benchmark}"]
        for field in fields(self):
            value = getattr(self, field.name)
            if value != field.default:
                words.append(f"{_option(field.name)} {_text(value)}")
        return " ".join(words)


def _option(field: str) -> str:
    return "--" + field.replace("_", "-")


def _like(default: Any, text: str) -> Any:
    if isinstance(default, tuple):
        return tuple(type(default[0])(part) for part in text.split(","))
    return type(default)(text)


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
