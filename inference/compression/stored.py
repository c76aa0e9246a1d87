"""A transformer, made smaller or not, as plain tensors and back: what a release holds of it.

Which way it was made smaller shows in its tensors. An int8 layer, which torch packs into an object
of its own, is `<name>.int8`, the size of its steps `<name>.step`, and its bias. Called by
`inference.models.weights`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from inference.compression.tables import Int8Table, ProductTable
from inference.models.transformer import Block, Transformer, TransformerSettings

INT8, STEP, BIAS = ".int8", ".step", ".bias"


def tensors_of(model: Transformer) -> dict[str, Tensor]:
    """By name, whatever is needed to build it again."""
    packed = dict(_packed(model))
    found = {
        name: table
        for name, table in model.state_dict().items()
        if not any(name.startswith(f"{layer}.") for layer in packed)
    }
    for name, layer in packed.items():
        weight, bias = layer._weight_bias()  # noqa: SLF001 - torch has no other name for it
        found |= {
            f"{name}{INT8}": weight.int_repr(),  # (out, in) int8
            f"{name}{STEP}": torch.tensor(weight.q_scale(), dtype=torch.float64),
            f"{name}{BIAS}": bias,
        }
    return found


def rebuilt(items: int, settings: TransformerSettings, found: Mapping[str, Tensor]) -> Transformer:
    """Raises KeyError or RuntimeError for tensors that do not fit together."""
    model, left = Transformer(items, settings), dict(found)
    if "table.steps" in left:
        model.table = Int8Table(left["table.steps"], left["table.size"])  # type: ignore[assignment]
    elif "table.codes" in left:
        model.table = ProductTable(left["table.codes"], left["table.parts"])  # type: ignore[assignment]
    for name in _cut_units(model, left):
        out, into = left[f"{name}.weight" if f"{name}.weight" in left else f"{name}{INT8}"].shape
        model.set_submodule(name, nn.Linear(into, out))
    layers = {}
    for name in [name.removesuffix(INT8) for name in left if name.endswith(INT8)]:
        parts = [left.pop(f"{name}{part}") for part in (INT8, STEP, BIAS)]
        layers[name] = _int8(*parts)
        model.set_submodule(name, nn.Identity())  # these alone torch reads in a form of its own
    model.load_state_dict(left)
    for name, layer in layers.items():
        model.set_submodule(name, layer)
    return model.eval()


def _packed(model: Transformer) -> Iterator[tuple[str, Any]]:
    """Torch's int8 layers; what they hold has one of these attributes too."""
    for name, module in model.named_modules():
        if hasattr(module, "_packed_params") and hasattr(module, "in_features"):
            yield name, module


def _cut_units(model: Transformer, found: Mapping[str, Tensor]) -> list[str]:
    """The feed-forward layers, where those that were stored are narrower."""
    names = []
    for number, block in enumerate(model.blocks):
        assert isinstance(block, Block)
        if isinstance(block.forth, nn.Sequential):
            names += [f"blocks.{number}.forth.{at}" for at in (0, 3)]
    first = next((found.get(f"{name}.bias") for name in names), None)
    whole = 2 * model.settings.dim
    return [] if first is None or len(first) == whole else names


def _int8(weight: Tensor, step: Tensor, bias: Tensor) -> nn.Module:
    from torch.ao.nn.quantized.dynamic import Linear  # noqa: PLC0415 - slow, and few need it

    layer: nn.Module = Linear(  # type: ignore[no-untyped-call]
        weight.shape[1], weight.shape[0], dtype=torch.qint8
    )
    packed = torch._make_per_tensor_quantized_tensor(weight, float(step), 0)  # noqa: SLF001
    layer.set_weight_bias(packed, bias)  # type: ignore[operator]
    return layer
