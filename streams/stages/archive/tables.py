"""The archive's tables as the stage writes them: a row type each, a field for each column.

The tables themselves are made by the migrations in `infra/clickhouse`, which this package may not
import; a test holds the two against each other on real servers. A field `items__score` is the
column `items.score` of a nested structure. Columns that the server derives from others are absent.
"""

from typing import NamedTuple


class UserEventRow(NamedTuple):
    user_id: str
    event_id: str
    kind: str
    at_ms: int
    appended_at_ms: int
    happened_at_ms: int
    origin: str
    surface: str
    slate_limit: int
    session_id: str
    recommendation_id: str
    locale: str
    device: str
    item_id: str
    quantity: int
    price: float | None
    currency: str
    rating_value: float | None
    rating_scale: float | None
    epoch: int
    position: int
    text: str
    followed_user_id: str
    row_version: int


class RecommendationRow(NamedTuple):
    recommendation_id: str
    epoch: int
    user_id: str
    surface: str
    issued_at_ms: int
    cause_event_id: str
    cause_kind: str
    cause_at_ms: int
    cause_appended_at_ms: int
    items__item_id: list[str]
    items__score: list[float]
    items__position: list[int]
    items__source: list[str]
    items__because: list[str]
    items__propensity: list[float]
    model: str
    model_version: str
    arms__experiment: list[str]
    arms__revision: list[int]
    arms__name: list[str]
    fallback: str
    made_from_state: str
    made_from_catalogue: str
    made_from_vectors: str
    made_from_fold: str
    region: str
    origin: str
    partition: int
    answered_before_ms: int
    row_version: int


class DeadLetterRow(NamedTuple):
    letter_id: str
    region: str
    written_at_ms: int
    reason: bytes
    detail: bytes
    topic: bytes
    partition: int
    offset: int
    appended_at_ms: int
    key: bytes | None
    value: bytes | None
    headers__name: list[str]
    headers__value: list[bytes]


class ItemUpdateRow(NamedTuple):
    item_id: str
    origin: str
    appended_at_ms: int
    at_ms: int
    title: str
    description: str
    categories: list[str]
    brand: str
    price: float | None
    currency: str
    tags: list[str]
    available: bool
    row_version: int


class ItemVectorRow(NamedTuple):
    model: str
    model_version: str
    item_id: str
    region: str
    made_at_ms: int
    text_hash: int
    vector: tuple[float, ...]
    row_version: int


class StateDigestRow(NamedTuple):
    region: str
    partition: int
    slice: int
    made_at_ms: int
    folded_to__origin: list[str]
    folded_to__appended_at_ms: list[int]
    users__user_id: list[str]
    users__digest: list[str]
    users__newest_ms: list[int]
    row_version: int


class ModelReleaseRow(NamedTuple):
    model: str
    revision: int
    region: str
    url: str
    hash: str
    served__region: list[str]
    served__version: list[str]
    served__canary_version: list[str]
    served__canary_share: list[float]
    row_version: int


class ExperimentRow(NamedTuple):
    name: str
    revision: int
    region: str
    surface: str
    arms__name: list[str]
    arms__share: list[float]
    row_version: int


class RegionOwnershipRow(NamedTuple):
    origin: str
    epoch: int
    draining: bool
    owner: str
    past__epoch: list[int]
    past__owner: list[str]
    fences__epoch: list[int]
    fences__partition: list[int]
    fences__appended_at_ms: list[int]
    command_id: str
    reason: str
    row_version: int


Row = (
    UserEventRow | RecommendationRow | DeadLetterRow | ItemUpdateRow | ItemVectorRow
    | StateDigestRow | ModelReleaseRow | ExperimentRow | RegionOwnershipRow
)  # fmt: skip

TABLES: dict[type[Row], str] = {
    UserEventRow: "user_events",
    RecommendationRow: "recommendations",
    DeadLetterRow: "dead_letters",
    ItemUpdateRow: "item_updates",
    ItemVectorRow: "item_vectors",
    StateDigestRow: "state_digests",
    ModelReleaseRow: "model_releases",
    ExperimentRow: "experiments",
    RegionOwnershipRow: "region_ownership",
}
"""Which table takes which rows."""


def columns(row: type[Row]) -> tuple[str, ...]:
    """The columns of a row type, in the order of its fields."""
    return tuple(field.replace("__", ".") for field in row._fields)
