"""Where a run stands, as `epochs` moves it on and a checkpoint holds it."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from inference.models.transformer import Transformer
from inference.training.checkpoint import Head
from inference.training.distribute import Group
from inference.training.progress import Epoch, best_of


@dataclass
class Standing:
    """`steps` of the next epoch are done; `lost` and `seen` are this process's share of what its
    checkpoint says of them.
    """

    model: Transformer
    mean: Transformer
    """Of what the model's parameters were lately; this one is judged and kept."""
    optimiser: torch.optim.AdamW
    best: dict[str, Tensor]
    epochs: list[Epoch] = field(default_factory=list)
    steps: int = 0
    lost: float = 0.0
    seen: int = 0

    def step(self, lost: float, seen: int, share: float) -> None:
        """The model took a step; of the mean it is this share from here on."""
        self.steps, self.lost, self.seen = self.steps + 1, self.lost + lost, self.seen + seen
        with torch.no_grad():
            for mean, now in zip(self.mean.parameters(), self.model.parameters(), strict=True):
                mean.lerp_(now, share)

    def end(self, epoch: Epoch) -> None:
        """The model that is better than all before is kept; of those not judged, the newest."""
        self.epochs.append(epoch)
        if best_of(self.epochs) is epoch:
            self.best = copy_of(self.mean)
        self.steps, self.lost, self.seen = 0, 0.0, 0

    def head(self, made_of: dict[str, str], group: Group) -> Head:
        lost, seen = group.total(self.lost, self.seen)
        metric = best_of(self.epochs).metric if self.epochs else None
        return Head(
            run=made_of,
            epochs=self.epochs,
            steps=self.steps,
            lost=lost,
            seen=int(seen),
            metric=metric,
        )

    def tensors(self) -> dict[str, Tensor]:
        kept = {f"model/{name}": table for name, table in self.model.state_dict().items()}
        kept |= {f"mean/{name}": table for name, table in self.mean.state_dict().items()}
        kept |= {f"best/{name}": table for name, table in self.best.items()}
        for place, state in self.optimiser.state_dict()["state"].items():
            kept |= {f"optimiser/{place}/{name}": table for name, table in state.items()}
        return kept

    def take(self, head: Head, tensors: dict[str, Tensor], group: Group) -> None:
        """What a checkpoint holds; what it counted is the first process's."""
        self.model.load_state_dict(under("model/", tensors))
        self.mean.load_state_dict(under("mean/", tensors))
        self.best, self.epochs = under("best/", tensors), list(head.epochs)
        state: dict[int, dict[str, Tensor]] = {}
        for name, table in under("optimiser/", tensors).items():
            place, _, what = name.partition("/")
            state.setdefault(int(place), {})[what] = table
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": state, "param_groups": groups})
        self.steps = head.steps
        if group.first:
            self.lost, self.seen = head.lost, head.seen


def under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Those whose name begins so, without it."""
    found = tensors.items()
    return {n.removeprefix(prefix): table for n, table in found if n.startswith(prefix)}


def copy_of(model: Transformer) -> dict[str, Tensor]:
    return {name: table.clone() for name, table in model.state_dict().items()}
