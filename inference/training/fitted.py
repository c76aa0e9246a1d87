"""A model with what is needed to judge and to release it."""

from dataclasses import dataclass

from inference.data.interactions import Interactions
from inference.models.answer import Model
from schemas.releases import ReleaseItem, Training

__all__ = ["Fitted", "Model"]


@dataclass(frozen=True)
class Fitted:
    """`items` are those that the model knows, in its own order: most popular first."""

    model: Model
    training: Training
    items: tuple[ReleaseItem, ...]
    fitted_on: Interactions
