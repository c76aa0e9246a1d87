"""Fits a text encoder to what people turned to together, by contrastive pairs.

Two items near each other in somebody's history are a pair. Of a batch of pairs each text must point
to its partner's rather than to any other partner's of the batch (van den Oord et al., 2018), both
ways round; another partner with the same text is not held against it. Popular texts stand in more
batches and so are pushed away more often: what is learnt is how much likelier than usual two texts
go together, not how usual they are. First the head alone learns, which costs next to nothing, then
the tower's upper layers with it; what is below them is computed once.

The same log, texts and seed give the same encoder. Called by the cold-start evaluation and for
what a release ships (`space`).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from inference.data.interactions import Interactions
from inference.models.text import TextEncoder, Texts
from inference.training.adapt import Adapter, Idle


@dataclass(frozen=True)
class TextSettings:
    """Usual values, the temperature chosen on validation items; none was seen on a test."""

    reach: int = 3
    """How many items apart a pair may stand in a history."""
    head_steps: int = 400
    head_batch: int = 256
    head_rate: float = 1e-3
    steps: int = 20
    """With the tower's upper layers: some seconds of CPU each, so few; 0: only the head."""
    batch: int = 128
    rate: float = 1e-4
    temperature: float = 0.1
    """Cosines lie within -1 to 1; divided by this they can say that one text is far likelier."""


@dataclass(frozen=True)
class TextPhase:
    """What learnt, the mean losses of its first and last tenth, and how long it took."""

    part: str
    steps: int
    first_loss: float
    last_loss: float
    seconds: float
    parameters: int
    """Numbers that learnt, those of the head included."""


def fine_tune(
    encoder: TextEncoder,
    log: Interactions,
    texts: Texts,
    settings: TextSettings,
    *,
    adapter: Adapter | None = None,
    seed: int = 0,
    report: Callable[[TextPhase], None] = lambda _: None,
) -> TextEncoder:
    """`texts` are those of the log's items; `adapter` says what of the tower learns, by default all
    of its upper layers. Changes the encoder and gives it back; where nobody has two items of
    different text it stays as it is.
    """
    pairs = co_interactions(log, texts.of_item, settings.reach)  # (pairs, 2) of texts
    if not len(pairs):
        return encoder
    encoder.requires_grad_(requires_grad=False)
    random = np.random.default_rng(seed)

    def some(batch: int) -> NDArray[np.int64]:
        found: NDArray[np.int64] = pairs[random.integers(len(pairs), size=batch)]  # (batch, 2)
        return found

    if settings.head_steps:
        pooled = texts.pooled(encoder)  # (texts, dim)
        report(_learn(encoder, lambda at: pooled[at], some, settings, None))
    adapter = adapter or Adapter(encoder.tower)
    if settings.steps and len(adapter.layers):

        def under_tower(at: NDArray[np.int64]) -> Tensor:
            return encoder.tower.above(*texts.below(at))  # (some, dim)

        report(_learn(encoder, under_tower, some, settings, adapter))
    return encoder.requires_grad_(requires_grad=False)


def _learn(
    encoder: TextEncoder,
    under: Callable[[NDArray[np.int64]], Tensor],
    some: Callable[[int], NDArray[np.int64]],
    settings: TextSettings,
    adapter: Adapter | None,
) -> TextPhase:
    """The head alone, or with an adapter the layers too. `under` gives what is under the head for
    some texts, (some, dim).
    """
    began, lost = time.monotonic(), []
    part, steps, batch = "head", settings.head_steps, settings.head_batch
    head = encoder.head.requires_grad_(requires_grad=True)
    learns = [(list(head.parameters()), settings.head_rate)]
    if adapter is not None:
        part, steps, batch = "layers", settings.steps, settings.batch
        learns.append((adapter.begin(steps), adapter.rate or settings.rate))
    many = sum(weight.numel() for weights, _ in learns for weight in weights)
    groups = [{"params": weights, "lr": rate} for weights, rate in learns]
    optimiser = torch.optim.AdamW(groups, weight_decay=0.01)
    beside = adapter or Idle()
    for step in range(steps):
        beside.before_step()
        pairs = some(batch)  # (batch, 2)
        at, place = np.unique(pairs, return_inverse=True)  # (texts,) and (batch * 2,)
        vectors = encoder.directed(under(at))  # (texts, dim)
        near = vectors[torch.from_numpy(place.reshape(pairs.shape))]  # (batch, 2, dim)
        loss = _loss(near, torch.from_numpy(pairs), settings.temperature)
        optimiser.zero_grad()
        (loss + beside.penalty()).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        beside.after_step(step)
        lost.append(loss.item())
    beside.end()
    tenth = max(1, len(lost) // 10)
    first, last = float(np.mean(lost[:tenth])), float(np.mean(lost[-tenth:]))
    return TextPhase(part, steps, first, last, round(time.monotonic() - began, 3), many)


def co_interactions(log: Interactions, text: NDArray[np.int64], reach: int) -> NDArray[np.int64]:
    """(pairs, 2) texts of items at most `reach` apart in a user's history, the earlier first; two
    items of one text teach nothing and are left out. `text` is (items,).
    """
    log = log.positive()
    order, _ = log.by_user
    user, item = log.user[order], text[log.item[order]]  # (rows,) by user and time
    found = []
    for distance in range(1, reach + 1):
        near = np.stack([item[:-distance], item[distance:]], 1)  # (rows - distance, 2)
        same_user = user[distance:] == user[:-distance]
        found.append(near[same_user & (near[:, 0] != near[:, 1])])
    return np.concatenate(found)


def _loss(near: Tensor, text: Tensor, temperature: float) -> Tensor:
    """`near` is (batch, 2, dim), `text` (batch, 2)."""
    alike = near[:, 0] @ near[:, 1].T / temperature  # (batch, batch)
    right = torch.arange(len(near))  # (batch,)
    lost = []
    for logits, partner in ((alike, text[:, 1]), (alike.T, text[:, 0])):
        same = partner[:, None] == partner[None, :]  # (batch, batch)
        same.fill_diagonal_(0)
        lost.append(functional.cross_entropy(logits.masked_fill(same, -torch.inf), right))
    return torch.stack(lost).mean()
