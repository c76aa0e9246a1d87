"""Pruning: weights that are near zero, or whole units of the feed-forward layers.

Single weights become zero where they stand, so the tensors keep their shapes and their speed; units
are cut out, and the layers are smaller and faster. Nothing is fitted again afterwards.
"""

import copy

import torch
from torch import Tensor, nn

from inference.errors import CompressionError
from inference.models.transformer import Block, Transformer


def prune_weights(model: Transformer, share: float) -> Transformer:
    """Of the weights of all linear layers together the `share` of smallest size is zero. Raises
    CompressionError.
    """
    _check(share)
    smaller = copy.deepcopy(model).eval()
    weights = [module.weight for module in smaller.modules() if isinstance(module, nn.Linear)]
    sizes = torch.cat([weight.detach().abs().flatten() for weight in weights])  # (all weights,)
    gone = torch.zeros_like(sizes, dtype=torch.bool)  # (all weights,)
    gone[sizes.argsort(stable=True)[: int(len(sizes) * share)]] = True
    with torch.no_grad():
        parts = torch.split(gone, [weight.numel() for weight in weights])
        for weight, part in zip(weights, parts, strict=True):
            weight[part.view_as(weight)] = 0
    return smaller


def prune_units(model: Transformer, share: float) -> Transformer:
    """Each feed-forward layer without the `share` of its units that move its output least. Raises
    CompressionError where it has none, as in the style `hstu`.
    """
    _check(share)
    smaller = copy.deepcopy(model).eval()
    for block in smaller.blocks:
        if not isinstance(block, Block) or not isinstance(block.forth, nn.Sequential):
            raise CompressionError(
                f"a transformer of style {model.settings.style} has no feed-forward units to prune"
            )
        wide, narrow = block.forth[0], block.forth[3]
        assert isinstance(wide, nn.Linear)
        assert isinstance(narrow, nn.Linear)
        weighs = wide.weight.norm(dim=1) * narrow.weight.norm(dim=0)  # (units,)
        kept = weighs.argsort(descending=True, stable=True)[
            : max(1, round(len(weighs) * (1 - share)))
        ]
        kept = kept.sort().values  # (kept,)
        block.forth[0] = _linear(wide.weight[kept], wide.bias[kept])
        block.forth[3] = _linear(narrow.weight[:, kept], narrow.bias)
    return smaller


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.load_state_dict({"weight": weight, "bias": bias})
    return layer.to(weight.device)


def _check(share: float) -> None:
    if not 0 <= share < 1:
        raise CompressionError(f"a share of {share} cannot be pruned; from 0 to below 1 can")
