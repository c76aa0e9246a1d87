"""What every text encoder is below its head: word numbers in, one vector a text out.

It is told apart into what fine-tuning leaves alone and what it may change, so that the lower part
of each text is computed once and not in every epoch. Texts are padded at their end with 0.
"""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Tower(nn.Module, ABC):
    """`dim` is the width of a text's vector."""

    dim: int

    @abstractmethod
    def below(self, words: Tensor) -> Tensor:
        """(texts, length) to what fine-tuning leaves alone, (texts, ...)."""

    @abstractmethod
    def above(self, below: Tensor, words: Tensor) -> Tensor:
        """The rest of the way, (texts, dim); `words` says what is padding."""

    @abstractmethod
    def tuned(self) -> list[nn.Module]:
        """The modules of `above` that fine-tuning changes."""
