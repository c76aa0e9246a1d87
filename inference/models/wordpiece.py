"""BERT's words: a text in, the numbers of its word pieces out (Devlin et al., 2019, uncased).

A text is cleaned, freed of accents, made lower-case, and cut at white space, at punctuation and
around each Chinese character; a word is the longest pieces of the vocabulary from its left. A word
that cannot be made of pieces is unknown. Called by `inference.models.text`.
"""

import unicodedata
from collections.abc import Iterator, Sequence

PAD, UNKNOWN, FIRST, LAST = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
_LONGEST_WORD = 100
"""Characters; a longer one is unknown, as it was when the model was trained."""
_IDEOGRAPHS = (
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
)  # fmt: skip


class WordPiece:
    """`pieces` by number; those inside a word begin with ##."""

    def __init__(self, pieces: Sequence[str], longest: int) -> None:
        self._number = {piece: number for number, piece in enumerate(pieces)}
        self._unknown = self._number[UNKNOWN]
        self._longest = longest

    def __call__(self, text: str) -> list[int]:
        """First and last mark included; at most `longest` of them."""
        inside = [number for word in words_of(text) for number in self._pieces_of(word)]
        kept = inside[: self._longest - 2]
        return [self._number[FIRST], *kept, self._number[LAST]]

    def _pieces_of(self, word: str) -> list[int]:
        if len(word) > _LONGEST_WORD:
            return [self._unknown]
        found, start = [], 0
        while start < len(word):
            mark = "##" if start else ""
            ends = range(len(word), start, -1)
            end = next((e for e in ends if mark + word[start:e] in self._number), None)
            if end is None:
                return [self._unknown]
            found.append(self._number[mark + word[start:end]])
            start = end
        return found


def words_of(text: str) -> Iterator[str]:
    """Without accents, in lower case; each mark and each ideograph by itself."""
    spaced = "".join(_spaced(character) for character in text)
    bare = unicodedata.normalize("NFD", spaced)
    # One by one: a sigma that ends a word must not become another letter.
    plain = "".join(c.lower() for c in bare if unicodedata.category(c) != "Mn")
    for run in plain.split():
        word = ""
        for character in run:
            if _is_mark(character):
                if word:
                    yield word
                yield character
                word = ""
            else:
                word += character
        if word:
            yield word


def _spaced(character: str) -> str:
    """Nothing for what is no text, a space for white space, an ideograph by itself."""
    if character in "\t\n\r" or unicodedata.category(character) == "Zs":
        return " "
    if character == "\ufffd" or unicodedata.category(character)[0] == "C":
        return ""
    if any(low <= ord(character) <= high for low, high in _IDEOGRAPHS):
        return f" {character} "
    return character


def _is_mark(character: str) -> bool:
    """Punctuation, and each sign of ASCII that is neither letter nor digit."""
    if character.isascii():
        return not character.isalnum()
    return unicodedata.category(character)[0] == "P"
