"""What of a BERT's upper layers learns, by the peft library: all of it, or few numbers beside it.

full     every weight of the layers
lora     a product of two narrow matrices beside each linear layer (Hu et al., 2022)
adalora  the same as singular values and vectors, of which the least important are given up while it
         learns, so that ranks go where they are worth most (Zhang et al., 2023)
prefix   learnt keys and values before those of each text, in each layer (Li and Liang, 2021)

What lora and adalora learnt is added to the weights at the end, so an encoder costs afterwards what
it cost before and needs no peft; a prefix stays, as plain tensors. Called by
`inference.training.text`.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from inference.errors import TrainingError
from inference.models.bert import Bert, Layer
from inference.models.tower import Tower

Method = Literal["full", "lora", "adalora", "prefix"]
METHODS: tuple[Method, ...] = get_args(Method)
NO_LAYERS = "only a BERT has layers that can be adapted"
_LINEAR = ["query", "key", "value", "out", "wide", "narrow"]
"""Of a layer, by the names they have in `inference.models.bert`."""


@dataclass(frozen=True)
class AdaptSettings:
    """Usual values of the papers; none was chosen on a test."""

    layers: int = 2
    """The upper ones, as `widen` takes them. What is below is computed once for each text."""
    rank: int = 8
    scale: float = 2.0
    """What is beside a layer counts so often; alpha is this times the rank."""
    first_rank: int = 12
    """Where adalora begins; it ends with `rank` on average."""
    orthogonal: float = 0.5
    """What adalora's loss gets for vectors that are not orthogonal."""
    prefix: int = 8
    rates: tuple[float, float, float] = (2e-3, 2e-2, 3e-2)
    """Of lora, adalora and prefix. Steps are few, so they are long; what adalora learns begins as
    the product of three small numbers.
    """


class Idle:
    """Nothing beside the head learns."""

    def before_step(self) -> None:
        """Called before the texts of a step go through the layers."""

    def penalty(self) -> Tensor:
        """Added to the step's loss."""
        return torch.zeros(())

    def after_step(self, step: int) -> None:
        """Called behind the optimiser, with the gradients still there."""

    def end(self) -> None:
        """The tower keeps what was learnt."""


class Adapter(Idle):
    """All weights of the tower's upper layers; others learn less. One run has one of its own."""

    rate: float | None = None
    """None: that of the run."""

    def __init__(self, tower: Tower) -> None:
        self.layers = nn.ModuleList(tower.tuned())

    def begin(self, steps: int) -> list[nn.Parameter]:
        """What learns from now on, in so many steps."""
        del steps
        return list(self.layers.requires_grad_(requires_grad=True).parameters())


def widen(tower: Tower, layers: int = AdaptSettings.layers) -> None:
    """So many of its upper layers may learn; the texts are read after that. Raises TrainingError
    for another tower than a BERT.
    """
    if not isinstance(tower, Bert):
        raise TrainingError(NO_LAYERS)
    tower.upper = min(layers, len(tower.layers))


def adapter_of(
    method: Method, tower: Tower, settings: AdaptSettings | None = None, seed: int = 0
) -> Adapter:
    """For a tower that was widened. Raises TrainingError for another than a BERT, and where peft is
    missing.
    """
    settings = settings or AdaptSettings()
    if not isinstance(tower, Bert):
        raise TrainingError(NO_LAYERS)
    if method != "full" and find_spec("peft") is None:
        raise TrainingError(f"{method} needs peft: pip install 'tidemill[adapt]'")
    torch.manual_seed(seed)
    match method:
        case "full":
            return Adapter(tower)
        case "lora":
            return Lora(tower, settings)
        case "adalora":
            return AdaLora(tower, settings)
        case "prefix":
            return Prefix(tower, settings)


class Lora(Adapter):
    def __init__(self, tower: Tower, settings: AdaptSettings) -> None:
        super().__init__(tower)
        self.settings = settings
        self.rate = settings.rates[0]
        self.beside: Any = None

    def begin(self, steps: int) -> list[nn.Parameter]:
        from peft import get_peft_model  # noqa: PLC0415 - slow to load, and of an extra

        # peft puts its modules into the layers that the tower goes on using.
        self.beside = get_peft_model(self.layers, self._config(steps))
        return [weight for weight in self.layers.parameters() if weight.requires_grad]

    def _config(self, steps: int) -> Any:
        from peft import LoraConfig  # noqa: PLC0415

        del steps
        rank, scale = self.settings.rank, self.settings.scale
        return LoraConfig(r=rank, lora_alpha=int(rank * scale), target_modules=_LINEAR)

    def end(self) -> None:
        self.beside.merge_and_unload()


class AdaLora(Lora):
    def __init__(self, tower: Tower, settings: AdaptSettings) -> None:
        super().__init__(tower, settings)
        self.rate = settings.rates[1]

    def _config(self, steps: int) -> Any:
        from peft import AdaLoraConfig  # noqa: PLC0415

        # Ranks go in the middle of the run: the first tenth only learns, so does the last third.
        return AdaLoraConfig(
            init_r=self.settings.first_rank,
            target_r=self.settings.rank,
            lora_alpha=int(self.settings.first_rank * self.settings.scale),
            target_modules=_LINEAR,
            tinit=steps // 10,
            tfinal=steps // 3,
            deltaT=1,
            total_step=max(1, steps),
        )

    def penalty(self) -> Tensor:
        apart = []
        for name, table in self.layers.named_parameters():
            if "lora_A" in name or "lora_B" in name:
                vectors = table if "lora_A" in name else table.T  # (rank, wide)
                even = torch.eye(len(vectors))  # (rank, rank)
                apart.append((vectors @ vectors.T - even).norm())
        return self.settings.orthogonal * torch.stack(apart).mean()

    def after_step(self, step: int) -> None:
        self.beside.base_model.update_and_allocate(step)


class Prefix(Adapter):
    def __init__(self, tower: Bert, settings: AdaptSettings) -> None:
        super().__init__(tower)
        self.settings = settings
        self.rate = settings.rates[2]
        self.dim = tower.dim
        self.encoder: nn.Module = nn.Identity()

    def begin(self, steps: int) -> list[nn.Parameter]:
        from peft import PrefixEncoder, PrefixTuningConfig  # noqa: PLC0415

        del steps
        config = PrefixTuningConfig(
            num_virtual_tokens=self.settings.prefix,
            token_dim=self.dim,
            num_layers=len(self.layers),
            num_attention_heads=1,
            init_weights="zero",
        )
        self.encoder = PrefixEncoder(config)
        return list(self.encoder.parameters())

    def before_step(self) -> None:
        said = self.encoder(torch.arange(self.settings.prefix))  # (prefix, layers * 2 * dim)
        each = said.view(self.settings.prefix, len(self.layers), 2, self.dim)
        for number, layer in enumerate(self.layers):
            assert isinstance(layer, Layer)
            layer.prefix = each[:, number].transpose(0, 1)  # (2, prefix, dim)

    def end(self) -> None:
        with torch.no_grad():
            self.before_step()
