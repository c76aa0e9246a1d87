"""Where users lie among the items' texts, so that an item nobody has touched can be compared.

A user stands at the mean of the items turned to, each weighed by its age among them; nothing is
learnt of the user. Items are known by their hashes, as everywhere; one that this release does not
know, or of which it has no text, is passed over. Called beside the recommender's answer, for
whoever wants the vector, and where a release's scale is fitted.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from inference.data.interactions import POSITIVE_KINDS
from inference.models.vocabulary import Vocabulary, to_images
from schemas.serving import HISTORY_ITEMS, HISTORY_KINDS
from schemas.state import KIND_CODES

DECAY = 0.5
"""What an item of a history weighs beside the next newer one; on Beauty's validation items the
best of .5, .8 and .97 for bags of words and for BERT, as it comes and with its head. The
multilingual encoder as it comes is better with .8.
"""


class Space(nn.Module):
    """`vectors` is (items, dim) by place in the vocabulary, of length 1, or 0 without a text."""

    vectors: Tensor
    positive: Tensor  # (256,) bool by kind code

    def __init__(self, hashes: NDArray[np.uint64], vectors: Tensor) -> None:
        super().__init__()
        self.vocabulary = Vocabulary(hashes)
        positive = torch.zeros(256, dtype=torch.bool)
        positive[[KIND_CODES[kind] for kind in POSITIVE_KINDS]] = True
        self.register_buffer("vectors", vectors)
        self.register_buffer("positive", positive)

    @property
    def dim(self) -> int:
        return self.vectors.shape[1]

    @torch.inference_mode()
    def forward(self, history: Tensor, kinds: Tensor) -> Tensor:
        """(users, H) images and kind codes, newest first, to (users, dim) of length 1 or 0."""
        place = self.vocabulary.find(history)  # (users, H)
        told = (place >= 0) & self.positive[kinds]  # (users, H)
        age = told.cumsum(1) - 1  # (users, H), 0 is the newest
        weight = torch.where(told, DECAY ** age.clamp(min=0).float(), 0)  # (users, H)
        items = self.vectors[place.clamp(min=0)]  # (users, H, dim)
        mean = (weight[:, :, None] * items).sum(1)  # (users, dim)
        return functional.normalize(mean, dim=1)

    def users(self, request: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """(users, dim) for the tensors of a request that was checked."""
        device = self.vectors.device
        history = torch.from_numpy(to_images(request[HISTORY_ITEMS])).to(device)  # (users, H)
        kinds = torch.from_numpy(request[HISTORY_KINDS].astype(np.int64)).to(device)  # (users, H)
        found: NDArray[np.float32] = self(history, kinds).cpu().numpy()
        return found
