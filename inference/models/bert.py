"""BERT (Devlin et al., 2019) with the mean of its last states as a text's vector.

The weights are those of all-MiniLM-L6-v2: 6 layers, 384 wide, English, trained for meaning. Never
reads text or files; called by `inference.models.text`.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from inference.models.tower import Tower

HEADS = 12
"""The one number of its shape that its weights do not show."""
_NORM_EPSILON = 1e-12


class Bert(Tower):
    """`upper` says how many of its last layers fine-tuning may change."""

    def __init__(self, weights: Mapping[str, Tensor], heads: int = HEADS, upper: int = 1) -> None:
        super().__init__()
        under = "embeddings."
        words = weights[f"{under}word_embeddings.weight"]  # (pieces, dim)
        self.dim = words.shape[1]
        self.upper = upper
        self.words = _table(words)
        # Every text is a first sentence, so that kind's vector is part of each place's.
        kind = weights[f"{under}token_type_embeddings.weight"][0]  # (dim,)
        places = weights[f"{under}position_embeddings.weight"] + kind  # (places, dim)
        self.places = _table(places)
        self.normal = _norm(weights, f"{under}LayerNorm")
        layers: list[Layer] = []
        while f"encoder.layer.{len(layers)}.output.dense.weight" in weights:
            layers.append(Layer(weights, f"encoder.layer.{len(layers)}.", heads))
        self.layers = nn.ModuleList(layers)

    def below(self, words: Tensor) -> Tensor:
        """(texts, length) to the states under the upper layers, (texts, length, dim)."""
        steps = torch.arange(words.shape[1], device=words.device)  # (length,)
        state: Tensor = self.normal(self.words(words) + self.places(steps))  # (texts, length, dim)
        return self._through(self.layers[: len(self.layers) - self.upper], state, words)

    def above(self, below: Tensor, words: Tensor) -> Tensor:
        upper = self.layers[len(self.layers) - self.upper :]
        state = self._through(upper, below, words)  # (texts, length, dim)
        there = (words > 0)[:, :, None].to(state.dtype)  # (texts, length, 1)
        return (state * there).sum(1) / there.sum(1).clamp(min=1)  # (texts, dim)

    def tuned(self) -> list[nn.Module]:
        return list(self.layers[len(self.layers) - self.upper :])

    def _through(self, layers: nn.ModuleList, state: Tensor, words: Tensor) -> Tensor:
        there = (words > 0)[:, None, None, :]  # (texts, 1, 1, length)
        for layer in layers:
            state = layer(state, there)  # (texts, length, dim)
        return state


class Layer(nn.Module):
    """Attention in both directions and a feed-forward part; (texts, length, dim) in and out. Where
    there is a `prefix`, its keys and values stand before those of each text.
    """

    prefix: Tensor | None  # (2, prefix, dim) keys and values

    def __init__(self, weights: Mapping[str, Tensor], under: str, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.register_buffer("prefix", None)
        self.query = _linear(weights, f"{under}attention.self.query")
        self.key = _linear(weights, f"{under}attention.self.key")
        self.value = _linear(weights, f"{under}attention.self.value")
        self.out = _linear(weights, f"{under}attention.output.dense")
        self.mixed = _norm(weights, f"{under}attention.output.LayerNorm")
        self.wide = _linear(weights, f"{under}intermediate.dense")
        self.narrow = _linear(weights, f"{under}output.dense")
        self.last = _norm(weights, f"{under}output.LayerNorm")

    def forward(self, state: Tensor, there: Tensor) -> Tensor:
        texts, length, dim = state.shape

        def split(table: Tensor) -> Tensor:
            return table.view(texts, -1, self.heads, dim // self.heads).transpose(1, 2)

        keys, values = self.key(state), self.value(state)  # (texts, length, dim)
        if self.prefix is not None:
            before = self.prefix[:, None].expand(-1, texts, -1, -1)  # (2, texts, prefix, dim)
            keys = torch.cat([before[0], keys], 1)  # (texts, prefix + length, dim)
            values = torch.cat([before[1], values], 1)  # (texts, prefix + length, dim)
            there = functional.pad(there, (before.shape[2], 0), value=True)
        query, key = split(self.query(state)), split(keys)  # (texts, heads, [prefix +] length, D)
        value = split(values)  # (texts, heads, [prefix +] length, D)
        found = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=there
        )  # (texts, heads, length, D)
        together = found.transpose(1, 2).reshape(texts, length, dim)  # (texts, length, dim)
        state = self.mixed(state + self.out(together))  # (texts, length, dim)
        forth = self.narrow(functional.gelu(self.wide(state)))  # (texts, length, dim)
        after: Tensor = self.last(state + forth)  # (texts, length, dim)
        return after


def _table(weight: Tensor) -> nn.Embedding:
    made = nn.Embedding(weight.shape[0], weight.shape[1])
    made.load_state_dict({"weight": weight})
    return made


def _linear(weights: Mapping[str, Tensor], name: str) -> nn.Linear:
    weight = weights[f"{name}.weight"]  # (out, in)
    made = nn.Linear(weight.shape[1], weight.shape[0])
    made.load_state_dict({"weight": weight, "bias": weights[f"{name}.bias"]})
    return made


def _norm(weights: Mapping[str, Tensor], name: str) -> nn.LayerNorm:
    weight = weights[f"{name}.weight"]  # (dim,)
    made = nn.LayerNorm(len(weight), eps=_NORM_EPSILON)
    made.load_state_dict({"weight": weight, "bias": weights[f"{name}.bias"]})
    return made
