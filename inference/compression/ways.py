"""The ways to make a transformer smaller that are measured, the first one being none."""

from collections.abc import Callable

from inference import compression
from inference.models.transformer import Transformer

Way = Callable[[Transformer], Transformer]

NONE = "float32"
WAYS: dict[str, Way] = {
    NONE: lambda model: model,
    "int8 layers": compression.int8_layers,
    "int8 table": compression.int8_table,
    "int8 layers and table": lambda model: compression.int8_table(compression.int8_layers(model)),
    "product table, 8 parts": lambda model: compression.product_table(model, 8),
    "product table, 16 parts": lambda model: compression.product_table(model, 16),
    "30 % of the weights zero": lambda model: compression.prune_weights(model, 0.3),
    "60 % of the weights zero": lambda model: compression.prune_weights(model, 0.6),
    "half of the units cut": lambda model: compression.prune_units(model, 0.5),
}
