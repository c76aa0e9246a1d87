"""A transformer, made smaller or not, as plain tensors and back: what a release holds of it.

Which way it was made smaller shows in its tensors' names and shapes. Called by
`inference.models.weights`.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from inference.compression.quantise import Int8Linear
from inference.compression.tables import Int8Table, ProductTable
from inference.errors import CompressionError
from inference.models.transformer import Transformer, TransformerSettings

_STEPS = ".steps"


def tensors_of(model: Transformer) -> dict[str, Tensor]:
    """By name. Raises CompressionError for layers that torch packs into objects of its own."""
    found: dict[str, Tensor] = model.state_dict()
    if not all(isinstance(table, Tensor) for table in found.values()):
        raise CompressionError("torch's own int8 layers are measured only, they cannot be released")
    return found


def rebuilt(items: int, settings: TransformerSettings, found: Mapping[str, Tensor]) -> Transformer:
    """Raises KeyError or RuntimeError for tensors that do not fit together."""
    model = Transformer(items, settings)
    if "table.steps" in found:
        model.table = Int8Table(found["table.steps"], found["table.size"])  # type: ignore[assignment]
    elif "table.codes" in found:
        model.table = ProductTable(found["table.codes"], found["table.parts"])  # type: ignore[assignment]
    for name, layer in list(model.named_modules()):
        if not isinstance(layer, nn.Linear):
            continue
        if f"{name}{_STEPS}" in found:
            steps, size = found[f"{name}{_STEPS}"], found[f"{name}.size"]
            model.set_submodule(name, Int8Linear(steps, size, found[f"{name}.bias"]))
        elif (weight := found[f"{name}.weight"]).shape != layer.weight.shape:  # units were cut
            model.set_submodule(name, nn.Linear(weight.shape[1], weight.shape[0]))
    model.load_state_dict(dict(found))
    return model.eval()
