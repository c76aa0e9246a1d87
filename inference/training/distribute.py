"""The processes that fit one model together: which of them this is, and what they tell each other.

Each holds the whole model and learns from its share of every batch; DistributedDataParallel
averages the gradients (ring all-reduce), so all take the same step. gloo on CPUs; nccl where each
process of this machine has a GPU of its own. A process alone is a group of one and exchanges
nothing. Used by `inference.training.epochs` and `checkpoint`; torchrun starts the processes
(`launch`).
"""

import datetime as dt
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import distributed, nn
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

Value = TypeVar("Value")
_CPU = torch.device("cpu")
_PATIENCE = dt.timedelta(hours=1)
"""The others wait this long while the first one judges; of a dead one torchrun knows at once."""


@dataclass(frozen=True)
class Group:
    """`rank` counts from 0; the first one judges, writes and speaks."""

    rank: int = 0
    processes: int = 1
    device: torch.device = _CPU
    on: str = "the CPU"

    @property
    def first(self) -> bool:
        return self.rank == 0

    def joined(self, module: nn.Module, *, all_used: bool) -> nn.Module:
        """Its gradients are those of all processes. Not `all_used`: some tensors may get none."""
        if self.processes == 1:
            return module
        return DistributedDataParallel(
            module, find_unused_parameters=not all_used, forward_sync_buffers=False
        )

    def total(self, *values: float) -> tuple[float, ...]:
        """The sum of each over all processes."""
        if self.processes == 1:
            return values
        sums = torch.tensor(values, dtype=torch.float64, device=self.device)
        distributed.all_reduce(sums)
        return tuple(sums.tolist())

    def same(self, value: Value) -> Value:
        """What the first process brought; all wait for it."""
        if self.processes == 1:
            return value
        box = [value]
        distributed.broadcast_object_list(box, src=0, device=self.device)
        return box[0]


def alone() -> Group:
    """On a GPU where there is one."""
    if torch.cuda.is_available():
        return Group(device=torch.device("cuda"), on=torch.cuda.get_device_name())
    return Group()


@contextmanager
def joined() -> Iterator[Group]:
    """The group that torchrun started this process in."""
    rank, processes = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    here, place = int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["LOCAL_RANK"])
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if found >= here:
        device = torch.device("cuda", place)
        torch.cuda.set_device(device)
        backend, on = "cpu:gloo,cuda:nccl", f"a {torch.cuda.get_device_name(device)} each, nccl"
    else:
        device = torch.device("cpu")
        backend, on = "gloo", f"the CPU, gloo ({found} GPUs found, {here} are needed for nccl)"
    distributed.init_process_group(
        backend, store=_store(), rank=rank, world_size=processes, timeout=_PATIENCE
    )
    try:
        yield Group(rank, processes, device, on)
    finally:
        distributed.destroy_process_group()


def _store() -> Store:
    """Where the processes find each other. torchrun keeps it when it starts them again, and with it
    the addresses of those that died; so each start has names of its own.
    """
    store, _, _ = next(rendezvous("env://"))
    return PrefixStore(f"start-{os.environ['TORCHELASTIC_RESTART_COUNT']}", store)
