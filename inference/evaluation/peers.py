"""Other people's models on the very split that ours are judged on. Called by `evaluate`.

A peer is a program in an environment of its own, because what it needs would change ours. It is
given the split as arrays and gives back what it ranked; the figures are counted here, for it as for
everybody. It is told nothing of the targets.
"""

import hashlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from inference import arrays
from inference.data.split import Split
from inference.errors import DataError
from inference.evaluation.metrics import Metrics, metrics

_DEADLINE_S = 12 * 3600
"""A peer that is fitted on one core may take hours; one that takes days hangs."""
_NAME = 32
"""Digits of a split's digest, the name of its folder."""
_SAID = 400
"""Characters of what a peer that failed said last."""


@dataclass(frozen=True)
class Peer:
    """`command` is followed by SPLIT.npz, RANKED.npz, the seed and a folder.

    SPLIT.npz holds `user` and `item` (rows,) to learn from, in the order of time; `asked_user` and
    `asked_item` (rows,), the histories of those who are asked, from 0 and oldest first; `users`,
    `items`, `k`, and whether to `exclude_seen`. RANKED.npz is to hold `ranked` (users, k), -1 where
    there is none, and `seconds`, what fitting took of one core. What it leaves in the folder it
    finds there when it is asked the same again, where `kept` says that such folders stay, and
    `resume` that it is to go on.
    """

    command: Sequence[str]
    kept: Path | None = None
    resume: bool = False

    def ranked(
        self, split: Split, k: int, seed: int, *, exclude_seen: bool
    ) -> tuple[NDArray[np.int64], float]:
        """(users, k) items, and seconds of fitting. Raises DataError."""
        lengths = [len(rows) for rows in split.histories]
        rows = np.concatenate(split.histories)
        with tempfile.TemporaryDirectory(prefix="tidemill-peer-") as folder:
            given, made = Path(folder, "split.npz"), Path(folder, "ranked.npz")
            table: dict[str, ArrayLike] = {
                "user": split.fit.user,
                "item": split.fit.item,
                "asked_user": np.repeat(np.arange(len(lengths)), lengths),
                "asked_item": split.log.item[rows],
                "users": len(lengths),
                "items": len(split.log.items),
                "k": k,
                "exclude_seen": exclude_seen,
            }
            given.write_bytes(asked := arrays.encode(table))
            name = f"{hashlib.sha256(asked).hexdigest()[:_NAME]}-{seed}"
            left = (self.kept or Path(folder)) / name
            if not self.resume:
                shutil.rmtree(left, ignore_errors=True)
            left.mkdir(parents=True, exist_ok=True)
            _call([*self.command, str(given), str(made), str(seed), str(left)])
            found = arrays.read(made)
        ranked = found["ranked"]
        if ranked.shape != (len(lengths), k):
            raise DataError(f"{self.command[0]} ranked {ranked.shape}, not {(len(lengths), k)}")
        return ranked, float(found["seconds"])


class PeerRow(msgspec.Struct, frozen=True, kw_only=True):
    """Means over `seeds` runs, and how far they lie apart as a standard deviation."""

    mean: Metrics
    spread: Metrics
    seeds: int
    fit_seconds: float
    """Of one core's own time."""
    rows_per_s: float
    """Interactions learnt from by seconds of fitting."""
    seconds: float
    """Of one run, with starting up and ranking."""


def judge_peers(
    split: Split, peers: Mapping[str, Peer], k: int, seeds: int, *, exclude_seen: bool
) -> dict[str, PeerRow]:
    """Raises DataError where a peer fails."""
    known = len(np.unique(split.fit.item))
    rows = {}
    for name, peer in peers.items():
        began, runs, fitted = time.monotonic(), [], []
        for seed in range(seeds):
            ranked, seconds = peer.ranked(split, k, seed, exclude_seen=exclude_seen)
            found = msgspec.structs.astuple(metrics(ranked, split.targets, known))
            runs.append(found)
            fitted.append(seconds)
        fit_seconds = float(np.mean(fitted))
        rows[name] = PeerRow(
            mean=Metrics(**_named(np.mean(runs, 0))),
            spread=Metrics(**_named(np.std(runs, 0))),
            seeds=seeds,
            fit_seconds=round(fit_seconds, 3),
            rows_per_s=round(len(split.fit) / max(fit_seconds, 1e-3), 1),
            seconds=round((time.monotonic() - began) / seeds, 3),
        )
    return rows


def _named(figures: NDArray[np.float64]) -> dict[str, float]:
    return dict(zip(Metrics.__struct_fields__, map(float, figures), strict=True))


def _call(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_DEADLINE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DataError(f"the peer {command[0]} could not be run: {error}") from None
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-_SAID:]
        raise DataError(f"the peer {' '.join(command[:3])} failed: {said}")
