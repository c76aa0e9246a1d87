"""Which experiments hold, and which arms a user is in.

Out of all copies of `experiments` the highest (revision, region) of an experiment holds. An
experiment ends with a revision without arms. Read by the recommend stage. Pure.
"""

import math
from collections.abc import Mapping

import msgspec
import xxhash

from schemas.codec import MessageDecoder, Reason, RefusedError, encode
from schemas.control import Experiment
from schemas.recommendations import Arm
from streams.region.copies import Copy

_ROUNDING = 1e-9
"""Ten shares of 0.1 add up to a hair more than 1."""


class Experiments:
    """What `experiments` says, over all its copies. Called by one thread at a time."""

    def __init__(self) -> None:
        self.decoder: MessageDecoder[Experiment] = MessageDecoder("experiment")
        self._current: dict[str, Experiment] = {}
        self._on_surface: dict[str, list[Experiment]] = {}
        """By name."""

    def apply(self, copy: Copy) -> None:
        """Raises RefusedError for a record that cannot be used; what held before still does."""
        experiment = self.decoder.decode(copy.value, copy.schema)
        _check(experiment, copy.key)
        known = self._current.get(experiment.name)
        if known is None or _rank(experiment) > _rank(known):
            self._current[experiment.name] = experiment
            on_surface: dict[str, list[Experiment]] = {}
            for _, current in sorted(self._current.items()):
                on_surface.setdefault(current.surface, []).append(current)
            self._on_surface = on_surface

    def current(self, name: str) -> Experiment | None:
        return self._current.get(name)

    @property
    def experiments(self) -> Mapping[str, Experiment]:
        """Each by its name, those that have ended too."""
        return self._current

    def arms(self, user_id: str, surface: str) -> list[Arm]:
        """One arm at most of each experiment on the surface, by the experiment's name.

        A user's place in an experiment hangs on its name alone: a revision that only lets the
        last arm grow moves nobody between arms.
        """
        return [
            Arm(experiment=experiment.name, revision=experiment.revision, name=arm)
            for experiment in self._on_surface.get(surface, ())
            if (arm := _arm(experiment, _point(experiment.name, user_id))) is not None
        ]


def _arm(experiment: Experiment, point: float) -> str | None:
    reached = 0.0
    for arm in experiment.arms:
        reached += arm.share
        if point < reached:
            return arm.name
    return None


def _point(name: str, user_id: str) -> float:
    """Where a user stands between 0 and 1 (excluded) in an experiment."""
    return (xxhash.xxh3_64_intdigest(msgspec.json.encode((name, user_id))) >> 11) / (1 << 53)


def _rank(experiment: Experiment) -> tuple[int, str, bytes]:
    # The bytes decide only between records that should not both exist, so that all agree on one.
    return experiment.revision, experiment.region, encode(experiment)


def _check(experiment: Experiment, key: bytes | None) -> None:
    """What the type cannot say. Raises RefusedError."""
    if key != experiment.name.encode():
        raise RefusedError(
            Reason.OUT_OF_BOUNDS, f"key {key!r} is not the experiment {experiment.name!r}"
        )
    total = math.fsum(arm.share for arm in experiment.arms)
    if total > 1 + _ROUNDING:
        raise RefusedError(Reason.OUT_OF_BOUNDS, f"the arms' shares add up to {total}")
    names = [arm.name for arm in experiment.arms]
    if len(set(names)) != len(names):
        raise RefusedError(Reason.OUT_OF_BOUNDS, f"arms {names} repeat")
