"""The ways to make a transformer smaller, by name; the first one is none."""

from collections.abc import Callable

from inference.compression.prune import prune_units, prune_weights
from inference.compression.quantise import int8_layers, int8_weights
from inference.compression.tables import int8_table, product_table
from inference.models.transformer import Transformer

Way = Callable[[Transformer], Transformer]

NONE = "float32"
ZEROS: dict[str, Way] = {
    "30 % of the weights zero": lambda model: prune_weights(model, 0.3),
    "60 % of the weights zero": lambda model: prune_weights(model, 0.6),
}
"""They show what could be left out, and make nothing faster."""
MEASURED: dict[str, Way] = {
    "int8 layers": int8_layers,
    "int8 layers and table": lambda model: int8_table(int8_layers(model)),
    **ZEROS,
}
"""The layers would make an answer depend on its neighbours in the batch."""
RELEASED: dict[str, Way] = {
    NONE: lambda model: model,
    "int8 weights": int8_weights,
    "int8 table": int8_table,
    "int8 weights and table": lambda model: int8_table(int8_weights(model)),
    "product table, 8 parts": lambda model: product_table(model, 8),
    "product table, 16 parts": lambda model: product_table(model, 16),
    "half of the units cut": lambda model: prune_units(model, 0.5),
}
"""What a release may hold."""
WAYS = {**RELEASED, **MEASURED}
