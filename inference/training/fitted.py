"""A model with what is needed to judge and to release it."""

from dataclasses import dataclass

from inference.data.interactions import Interactions
from inference.models.transitions import Transitions
from schemas.releases import ReleaseItem, Training


@dataclass(frozen=True)
class Fitted:
    """`items` are those that the model knows, in its own order: most popular first."""

    model: Transitions
    training: Training
    items: tuple[ReleaseItem, ...]
    fitted_on: Interactions
