"""What a sequential model is fitted to: that of all items the next one scores highest.

full      cross-entropy over every item; exact, and costs states x items of time, not of memory.
sampled   cross-entropy over the next item and some drawn evenly for the whole batch, each of
          which stands for as many as it was drawn from (Jean et al., 2015).
gbce      binary cross-entropy whose positive probability is raised to beta, which takes back the
          overconfidence that drawing few negatives brings (Petrov and Macdonald, gSASRec, 2023).
"""

from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from inference.models.transformer import Transformer

LossName = Literal["full", "sampled", "gbce"]

_BLOCK = {"cpu": 1 << 19, "cuda": 1 << 27}
"""Logits that are there at a time, by device: on a CPU what stays in its cache (2 MB)."""


def loss_of(
    name: LossName, model: Transformer, states: Tensor, targets: Tensor, negatives: Tensor,
    trust: float = 0.75,
) -> Tensor:  # fmt: skip
    """The sum over `states` (steps, dim) whose next items are `targets` (steps,); `negatives`
    (drawn,) are not read for `full`. `trust` is gSASRec's t: 0 leaves plain binary cross-entropy.
    """
    if name == "full":
        lost: Tensor = _OverAll.apply(states, model.table.weight[:-1], targets)
        return lost
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


class _OverAll(torch.autograd.Function):
    """The sum of cross-entropies of (steps, dim) states with (items, dim) of a table and the items
    (steps,) that come next. Its gradient is made with it, block by block: all logits at once would
    not fit into a cache, and to map and clear so much memory each step takes as long as the rest.
    """

    @staticmethod
    def forward(ctx: Any, states: Tensor, table: Tensor, targets: Tensor) -> Tensor:
        rows = max(32, _BLOCK[states.device.type] // len(table))
        lost = states.new_zeros(())
        of_states, of_table = torch.empty_like(states), torch.zeros_like(table)
        for state, target, of_state in zip(
            *(torch.split(of, rows) for of in (states, targets, of_states)), strict=True
        ):
            each = torch.arange(len(state), device=states.device)  # (rows,)
            share = state @ table.T  # (rows, items), logits
            highest = share.amax(1, keepdim=True)  # (rows, 1)
            lost -= (share[each, target] - highest[:, 0]).sum()
            share.sub_(highest).exp_()
            total = share.sum(1, keepdim=True)  # (rows, 1)
            lost += total.log().sum()
            share.div_(total)  # now probabilities
            share[each, target] -= 1
            torch.mm(share, table, out=of_state)
            of_table.addmm_(share.T, state)
        ctx.save_for_backward(of_states, of_table)
        return lost

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by: Tensor) -> tuple[Tensor, Tensor, None]:
        of_states, of_table = ctx.saved_tensors
        return by * of_states, by * of_table, None
