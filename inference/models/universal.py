"""The multilingual Universal Sentence Encoder (Yang et al., 2019), the kind that looks at n-grams.

16 languages, Chinese among them, in one space: a word's vector, and what two, three and five words
in a row say together, are added up over the text and go through a few dense layers. Its weights are
kept as bytes, as they came: 65 MB instead of 262. Never reads text or files; called by
`inference.models.text`.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from inference.models.tower import Tower

ROWS = ((2, 0), (3, 1), (5, 2))
"""How many words are read together, and how many of them stand before the one in question."""


class Universal(Tower):
    """Fine-tuning changes nothing in it, only the head above. `pieces` is (words, dim) uint8."""

    pieces: Tensor
    scale: Tensor  # (parts,) of word w, that at w modulo parts
    low: Tensor  # (parts,)

    def __init__(self, pieces: Tensor, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.dim = pieces.shape[1]
        epsilon = float(weights["eps"])

        def together(name: str, axis: int) -> Tensor:
            return torch.cat([weights[f"{name}{count}"] for count, _ in ROWS], axis)

        self.register_buffer("pieces", pieces)
        self.register_buffer("scale", weights["scale"])
        self.register_buffer("low", weights["lo"])
        self.enter = _linear(together("proj", 1), together("proj_b", 0))
        self.entered = _norm(together("ln_g", 0), together("ln_b", 0), epsilon)
        self.rows = nn.ModuleList(Row(weights, count, before) for count, before in ROWS)
        self.normal = _norm(weights["ln_g"], weights["ln_b"], epsilon)
        self.project = _linear(weights["cnn_W"], weights["cnn_b"])
        self.dense = nn.ModuleDict(
            {name: _linear(weights[name], None) for name in ("d0", "d1", "d2", "d3", "p1", "p3")}
        )
        self.requires_grad_(requires_grad=False)

    def below(self, words: Tensor) -> Tensor:
        """(texts, length), each word's number and 1, to (texts, dim)."""
        there = (words > 0)[:, :, None]  # (texts, length, 1)
        number = (words - 1).clamp(min=0)  # (texts, length)
        part = number % len(self.scale)  # (texts, length)
        table = self.pieces[number].float() * self.scale[part][..., None]  # (texts, length, dim)
        word = table + self.low[part][..., None]  # (texts, length, dim)
        each = self.entered(self.enter(word)) * there  # (texts, length, rows * width)
        apart = each.chunk(len(self.rows), 2)  # (texts, length, width) each
        rows = [row(one, there) for row, one in zip(self.rows, apart, strict=True)]
        told = self.normal(torch.cat([word, *rows], 2))  # (texts, length, dim + rows * width)
        summed = (self.project(told) * there).sum(1)  # (texts, dim)
        mean = summed / there.sum(1).clamp(min=1).sqrt()  # (texts, dim)
        dense = self.dense
        first = dense["p1"](mean) + dense["d1"](functional.relu(dense["d0"](mean)))
        first = functional.relu(first)  # (texts, hidden)
        second = functional.relu(dense["d2"](first))  # (texts, dim)
        last: Tensor = dense["p3"](first) + dense["d3"](second)  # (texts, dim)
        return functional.normalize(torch.tanh(last), dim=1)  # (texts, dim)

    def above(self, below: Tensor, words: Tensor) -> Tensor:
        del words
        return below

    def tuned(self) -> list[nn.Module]:
        return []


class Row(nn.Module):
    """What `count` words in a row say; (texts, length, width) in and out."""

    def __init__(self, weights: Mapping[str, Tensor], count: int, before: int) -> None:
        super().__init__()
        self.count = count
        self.around = (0, 0, before, count - 1 - before)
        self.first = _linear(weights[f"w1_{count}"], weights[f"b1_{count}"])
        self.second = _linear(weights[f"w2_{count}"], weights[f"b2_{count}"])

    def forward(self, state: Tensor, there: Tensor) -> Tensor:
        state = (state + functional.relu(self.first(self._together(state)))) * there
        told: Tensor = state + functional.relu(self.second(self._together(state)))
        return told  # (texts, length, width)

    def _together(self, state: Tensor) -> Tensor:
        """(texts, length, width) to each word's neighbours side by side, (..., count * width)."""
        padded = functional.pad(state, self.around)  # (texts, length + count - 1, width)
        return padded.unfold(1, self.count, 1).transpose(2, 3).flatten(2)


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    """`weight` is (in, out)."""
    made = nn.Linear(weight.shape[0], weight.shape[1], bias=bias is not None)
    made.load_state_dict({"weight": weight.T, **({} if bias is None else {"bias": bias})})
    return made


def _norm(weight: Tensor, bias: Tensor, epsilon: float) -> nn.LayerNorm:
    made = nn.LayerNorm(len(weight), eps=epsilon)
    made.load_state_dict({"weight": weight, "bias": bias})
    return made
