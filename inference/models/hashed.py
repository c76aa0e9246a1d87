"""Bags of words without a vocabulary: each word is a fixed row of signs, drawn by its hash.

A text is the sum of its words, so two texts are as near as they share words (random projection,
Achlioptas 2003; feature hashing, Weinberger et al. 2009). Nothing is downloaded and nothing but the
head above is learnt: the encoder for a small machine, and the floor for the others. Called by
`inference.models.text`.
"""

import torch
import xxhash
from torch import Tensor, nn

from inference.models.tower import Tower
from inference.models.wordpiece import words_of

DIM = 256
"""So wide that two different words seldom look alike: their cosine is 0, give or take 1/16."""
_SIGNS = 32
"""Taken from one mixed number; its upper bits depend on all of the word's."""
_SPREAD, _APART = 0x2545F4914F6CDD1D, 0x1B873593
"""Odd numbers: one spreads a word's bits, one sets its blocks of signs apart."""


class Hashed(Tower):
    dim = DIM

    def below(self, words: Tensor) -> Tensor:
        """(texts, length) to (texts, dim); padding adds nothing."""
        blocks = torch.arange(1, DIM // _SIGNS + 1, device=words.device)  # (blocks,)
        mixed = _mixed(words[..., None] + blocks * _APART)  # (texts, length, blocks)
        places = torch.arange(_SIGNS, device=words.device)  # (signs,)
        signs = ((mixed[..., None] >> (places + 31)) & 1) * 2 - 1  # (texts, length, blocks, signs)
        there = (words > 0)[..., None, None]  # (texts, length, 1, 1)
        return (signs * there).sum(1).flatten(1).float()  # (texts, dim)

    def above(self, below: Tensor, words: Tensor) -> Tensor:
        del words
        return below

    def tuned(self) -> list[nn.Module]:
        return []


def numbers(text: str) -> list[int]:
    """One above 0 a word; marks are none. A text without words is one word of its own."""
    words = [word for word in words_of(text) if word.isalnum()]
    return [(xxhash.xxh3_64_intdigest(word.encode()) >> 2) + 1 for word in words or [""]]


def _mixed(number: Tensor) -> Tensor:
    """64 bits in, 64 bits out, each depending on all; products wrap round."""
    for _ in range(2):
        number = number * _SPREAD
        number = number ^ ((number >> 29) & ((1 << 35) - 1))  # shifted as if without a sign
    return number
