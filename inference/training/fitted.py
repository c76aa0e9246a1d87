"""A model with what is needed to judge and to release it."""

from dataclasses import dataclass

from inference.data.interactions import Interactions
from inference.models.answer import Model
from inference.training.space import FittedSpace
from schemas.releases import ReleaseItem, Training

__all__ = ["Fitted", "Model"]


@dataclass(frozen=True)
class Fitted:
    """`items` are those that the model knows, in its own order: most popular first. `text` is where
    they lie by their text, and with them items that come later; None: new items wait for a release.
    """

    model: Model
    training: Training
    items: tuple[ReleaseItem, ...]
    fitted_on: Interactions
    text: FittedSpace | None = None
