"""What operators and regions tell each other: the messages of the control topics.

Control topics are compacted and mirrored. A reader takes own and mirrored copies and keeps the
highest (revision, region) of each key, for ownership the highest (epoch, draining).
"""

from typing import Annotated

import msgspec

from schemas.identifiers import ItemId, Natural, Surface, UserId
from schemas.recommendations import AnyFallback, Arm, MadeFrom, ModelVersion

Region = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class PastEpoch(msgspec.Struct, frozen=True, kw_only=True):
    """An epoch that has ended, and per partition the fence: the append time of the newest cause
    that it had answered, as known to the promoter.
    """

    epoch: Natural
    owner: Region
    fences: dict[int, int]


class Ownership(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which region publishes for an origin, since which epoch, and how earlier epochs ended.

    `rotation_ms`: when every region was last asked to list the digests of all its users at once.
    """

    origin: Region
    epoch: Natural
    owner: Region
    draining: bool = False
    past: list[PastEpoch] = []
    command_id: str
    reason: str | None = None
    rotation_ms: Natural = 0


class Canary(msgspec.Struct, frozen=True, kw_only=True):
    version: str
    share: Share


class Served(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a region serves of a model: a version, and to a share of users perhaps another; and what
    it served before, where that is known.
    """

    version: str
    canary: Canary | None = None
    before: str | None = None


class ModelRelease(msgspec.Struct, frozen=True, kw_only=True):
    """Where a model's releases lie (`url`, readable by fsspec; `{version}` in it stands for the
    version), the hash of the newest one's manifest, and what each region serves of it.
    """

    model: str
    revision: Natural
    region: Region
    url: str
    hash: str
    served: dict[str, Served]


class ExperimentArm(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    share: Share


class Experiment(msgspec.Struct, frozen=True, kw_only=True):
    """Splits the users of a surface into arms; the shares add up to at most 1."""

    name: str
    revision: Natural
    region: Region
    surface: Surface
    arms: list[ExperimentArm]


class UserDigest(msgspec.Struct, frozen=True, kw_only=True):
    user: UserId
    digest: str
    newest_ms: int


class ScoredItem(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    item_id: ItemId
    score: float


class SampledSlate(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a region would have shown for an ask that another one answers: made as that one makes
    its own, to be compared with it, and published nowhere else. Fields are a Recommendation's.
    """

    recommendation_id: str
    made_from: MadeFrom
    model: ModelVersion | None
    arms: list[Arm]
    fallback: AnyFallback | None
    items: list[ScoredItem]


class StateDigest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The states of one slice of a partition's users, and some slates of any of its users that the
    region made since its last list and did not publish; for the peer to compare.
    """

    region: Region
    partition: int
    slice: int
    folded_to: dict[str, int]
    users: list[UserDigest]
    slates: list[SampledSlate] = []
