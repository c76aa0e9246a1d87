"""int8 in the linear layers, in two ways.

int8 layers    torch's dynamic quantisation: weights once, activations at each call. On CPUs only.
               torch calls this interface deprecated for torchao's (infra/decisions/0016). The
               scale of the activations is that of the whole batch, so a user's scores depend on
               whoever is asked for with him: it is measured, and never released.
int8 weights   each row of a weight in whole steps of its own size, unpacked as it is read: a
               quarter of the bytes, and answers that depend on nobody else.
"""

import copy
import warnings

import torch
from torch import Tensor, nn
from torch.nn import functional

from inference.compression.steps import in_steps
from inference.models.transformer import Transformer


class Int8Linear(nn.Module):
    steps: Tensor  # (out, in) int8
    size: Tensor  # (out, 1) float32, of one step
    bias: Tensor  # (out,) float32

    def __init__(self, steps: Tensor, size: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.register_buffer("steps", steps)
        self.register_buffer("size", size)
        self.register_buffer("bias", bias)

    def forward(self, state: Tensor) -> Tensor:
        return functional.linear(state, self.steps * self.size, self.bias)  # (..., out)


def int8_weights(model: Transformer) -> Transformer:
    """At most half a step of a row's size beside the original, in each number."""
    smaller = copy.deepcopy(model).eval()
    for name, layer in list(smaller.named_modules()):
        if isinstance(layer, nn.Linear):
            steps, size = in_steps(layer.weight.detach())
            smaller.set_submodule(name, Int8Linear(steps, size, layer.bias.detach()))
    return smaller


def int8_layers(model: Transformer) -> Transformer:
    """The item table and the normalisations stay float32."""
    from torch.ao.quantization import quantize_dynamic  # noqa: PLC0415 - slow, and few need it

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", "torch.quantize_per_", UserWarning)
        smaller: Transformer = quantize_dynamic(  # type: ignore[no-untyped-call]
            copy.deepcopy(model).eval(), {nn.Linear}, dtype=torch.qint8
        )
    return smaller
