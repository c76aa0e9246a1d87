"""Makes a fitted transformer smaller: int8 layers, pruning, a compressed item table.

Each way takes a model and gives another; what it was given is left as it was. Which of them is
worth its loss is measured (`tidemill bench compression`), and `choose` says which one that is.
"""

from inference.compression.choose import Measured, choose
from inference.compression.prune import prune_units, prune_weights
from inference.compression.quantise import int8_layers, int8_weights
from inference.compression.sizes import bytes_of, parameters, pruning_rate
from inference.compression.tables import int8_table, product_table

__all__ = [
    "Measured", "bytes_of", "choose", "int8_layers", "int8_table", "int8_weights", "parameters",
    "product_table", "prune_units", "prune_weights", "pruning_rate",
]  # fmt: skip
