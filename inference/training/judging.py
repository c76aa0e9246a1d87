"""Whether a transformer got better: how high it alone puts the validation items of some users.

It is asked through the same `answer` as everything that is judged or served. What is asked is plain
arrays, so that a process of its own can be handed it (`job`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from inference.models.answer import INPUTS, Tensors, answer
from inference.models.blend import SEQUENTIAL, Blend
from inference.models.transformer import Transformer
from inference.models.vocabulary import Vocabulary, to_hashes
from schemas.serving import ITEMS

Asked = tuple[Tensors, NDArray[np.uint64]]
"""A request of some users, and the hash of the one right item of each, (users,)."""


@dataclass(frozen=True)
class Judge:
    """Gives NDCG, 0 to 1, at as many places as the requests ask for."""

    hashes: NDArray[np.uint64]  # (items,) by place
    share: NDArray[np.float32]  # (items,) as that of a Blend
    asked: tuple[Asked, ...]

    @classmethod
    def of(cls, blend: Blend, asked: tuple[Asked, ...]) -> "Judge":
        """For a transformer of the blend's items."""
        hashes = to_hashes(blend.vocabulary.images.cpu().numpy())
        return cls(hashes, blend.share.cpu().numpy(), asked)

    def blend(self, model: Transformer) -> Blend:
        """Of it alone."""
        share = torch.from_numpy(self.share)
        blend = Blend(Vocabulary(self.hashes), share, {}, (SEQUENTIAL,), transformer=model)
        return blend.to(model.table.weight.device)

    def __call__(self, model: Transformer) -> float:
        blend = self.blend(model)
        found = [gains(answer(blend, request)[ITEMS], right) for request, right in self.asked]
        return float(np.concatenate(found).mean())

    def arrays(self) -> dict[str, NDArray[Any]]:
        """By names that `from_arrays` knows."""
        found: dict[str, NDArray[Any]] = {"hashes": self.hashes, "share": self.share}
        for number, (request, right) in enumerate(self.asked):
            found |= {f"asked/{number}/{name}": table for name, table in request.items()}
            found[f"right/{number}"] = right
        return found

    @classmethod
    def from_arrays(cls, found: dict[str, NDArray[Any]]) -> "Judge":
        many = sum(name.startswith("right/") for name in found)
        asked = tuple(
            ({name: found[f"asked/{number}/{name}"] for name in INPUTS}, found[f"right/{number}"])
            for number in range(many)
        )
        return cls(found["hashes"], found["share"], asked)


def gains(items: NDArray[np.uint64], right: NDArray[np.uint64]) -> NDArray[np.float64]:
    """(users, k) items to NDCG of one right item a user, (users,)."""
    hits = items == right[:, None]  # (users, k)
    found: NDArray[np.float64] = (hits / np.log2(np.arange(items.shape[1]) + 2)).sum(1)
    return found
