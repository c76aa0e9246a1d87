"""Fits the blend's ranker: the weights under which the held-out item stands highest of those found.

Loss: cross-entropy of the held-out item among the retrieved ones, over users, as a softmax of the
ranker's scores; plus a small pull to even weights, so that few users do not give extreme ones. It
is only shown validation items, and takes no chance: the same users give the same weights.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.models.answer import read_tensors
from inference.models.blend import Blend
from inference.models.threads import one_thread
from inference.models.vocabulary import to_images

_PULL = 1e-3
_STEPS = 100
"""Of L-BFGS; it stops earlier once nothing moves."""

Asked = Iterable[tuple[Mapping[str, NDArray[Any]], NDArray[np.uint64]]]


def fit_ranker(blend: Blend, asked: Asked) -> Tensor:
    """`asked` gives requests with the hash of each user's held-out item, (users,). Users whose
    item no source retrieved teach nothing. Gives weights like `blend.weights`.
    """
    batches = [_candidates(blend, request, targets) for request, targets in asked]
    lists = [one for batch in batches for one in batch]
    if not lists:
        return torch.ones_like(blend.weights)
    table = torch.cat(lists).double()  # (C, F) of all users one after another
    count = torch.tensor([len(one) for one in lists])  # (U,)
    user = torch.repeat_interleave(count)  # (C,)
    first = count.cumsum(0) - count  # (U,) where the held-out item stands
    root = torch.ones(
        table.shape[1], dtype=table.dtype, requires_grad=True
    )  # (F,), squared to stay above 0
    search = torch.optim.LBFGS([root], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        search.zero_grad()
        scores = table @ root.square()  # (C,)
        # Features are at most 1 and weights stay small, so no exponential overflows.
        total = torch.zeros(len(lists), dtype=table.dtype).index_add_(0, user, scores.exp())  # (U,)
        lost = (total.log() - scores[first]).mean() + _PULL * (root - 1).square().mean()
        lost.backward()  # type: ignore[no-untyped-call]
        return lost

    with one_thread():
        search.step(loss)  # type: ignore[no-untyped-call]
    return root.detach().square().float()


@torch.inference_mode()
def _candidates(
    blend: Blend, request: Mapping[str, NDArray[Any]], targets: NDArray[np.uint64]
) -> list[Tensor]:
    """For each user whose target was retrieved (candidates, F), the target first."""
    given = read_tensors(request, blend.share.device)
    found = blend.find(given["history"], given["kinds"], given["times"], given["exclude"])
    place = blend.vocabulary.find(torch.from_numpy(to_images(targets)).to(blend.share.device))
    lists = []
    for features, retrieved, target in zip(found.features, found.retrieved, place, strict=True):
        if target < 0 or not retrieved[target]:
            continue
        others = retrieved.clone()  # (items,)
        others[target] = False
        lists.append(torch.cat([features[target][None], features[others]]).cpu())
    return lists
