"""int8 in the linear layers: weights once, activations at each call (torch's dynamic quantisation).

On CPUs only. torch calls this interface deprecated for torchao's (infra/decisions/0016).
"""

import copy
import warnings

import torch
from torch import nn

from inference.models.transformer import Transformer


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
