"""What a sequential model is fitted to: that of all items the next one scores highest.

full      cross-entropy over every item; exact, and costs states x items.
sampled   cross-entropy over the next item and some drawn evenly for the whole batch, each of
          which stands for as many as it was drawn from (Jean et al., 2015).
gbce      binary cross-entropy whose positive probability is raised to beta, which takes back the
          overconfidence that drawing few negatives brings (Petrov and Macdonald, gSASRec, 2023).
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from inference.models.transformer import Transformer

LossName = Literal["full", "sampled", "gbce"]


def loss_of(
    name: LossName, model: Transformer, states: Tensor, targets: Tensor, negatives: Tensor,
    trust: float = 0.75,
) -> Tensor:  # fmt: skip
    """The sum over `states` (steps, dim) whose next items are `targets` (steps,); `negatives`
    (drawn,) are not read for `full`. `trust` is gSASRec's t: 0 leaves plain binary cross-entropy.
    """
    if name == "full":
        return functional.cross_entropy(model.scores(states), targets, reduction="sum")
    items = model.table.num_embeddings - 1
    positive = (states * model.table(targets)).sum(1, keepdim=True)  # (steps, 1)
    negative = states @ model.table(negatives).T  # (steps, drawn)
    same = negatives[None, :] == targets[:, None]  # (steps, drawn)
    if name == "sampled":
        stands_for = torch.log(torch.tensor((items - 1) / len(negatives)))
        logits = (negative + stands_for).masked_fill(same, -torch.inf)  # (steps, drawn)
        first = torch.zeros_like(targets)  # (steps,)
        return functional.cross_entropy(torch.cat([positive, logits], 1), first, reduction="sum")
    right = -beta_of(len(negatives), items, trust) * functional.logsigmoid(positive)  # (steps, 1)
    wrong = functional.softplus(negative).masked_fill(same, 0)  # (steps, drawn)
    return right.sum() + wrong.sum()


def beta_of(drawn: int, items: int, trust: float) -> float:
    """GSASRec's correction: alpha is the share of the negatives that is drawn."""
    alpha = min(1.0, drawn / max(1, items - 1))
    return alpha * (trust * (1 - 1 / alpha) + 1 / alpha)
