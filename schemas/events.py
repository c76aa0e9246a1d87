"""What people do: the messages of `user-events`, one class a kind.

JSON with a `kind` field; `AnyEvent` is the closed family that the codec decodes. Times are
milliseconds since 1970, UTC. Decode with `schemas.codec.EventDecoder`: it also checks what a
type cannot say (times against the broker's append time, sizes, versions).
"""

from typing import Annotated, ClassVar, Literal, get_args

import msgspec

from schemas.identifiers import DEFAULT_SURFACE, EventId, ItemId, Natural, Surface, UserId

Kind = Literal[
    "view", "click", "cart", "uncart", "hide", "unhide", "purchase", "rating",
    "impression", "search", "chat", "follow", "unfollow", "request", "erase",
]  # fmt: skip
KINDS: tuple[Kind, ...] = get_args(Kind)

Quantity = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Limit = Annotated[int, msgspec.Meta(ge=1, le=100)]
Text = Annotated[str, msgspec.Meta(min_length=1)]


class Context(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Where the person is: `locale` as BCP 47, `device` in the shop's own words."""

    locale: str | None = None
    device: str | None = None


class Event(
    msgspec.Struct, tag_field="kind", frozen=True, kw_only=True, omit_defaults=True, gc=False
):
    """What every kind carries."""

    event_id: EventId
    user_id: UserId
    at_ms: int
    surface: Surface = DEFAULT_SURFACE
    limit: Limit | None = None
    session_id: str | None = None
    recommendation_id: str | None = None
    context: Context | None = None

    kind: ClassVar[Kind]
    """What the tag says; set below for each class."""


class ItemEvent(Event, frozen=True):
    """An event about one item."""

    item_id: ItemId


class View(ItemEvent, tag="view", frozen=True):
    """The person looked at an item's page."""


class Click(ItemEvent, tag="click", frozen=True):
    """The person followed a link to an item."""


class Cart(ItemEvent, tag="cart", frozen=True):
    """The person put an item into the cart."""


class Uncart(ItemEvent, tag="uncart", frozen=True):
    """The person took an item out of the cart."""


class Hide(ItemEvent, tag="hide", frozen=True):
    """The person does not want to be shown the item."""


class Unhide(ItemEvent, tag="unhide", frozen=True):
    """The person takes a hide back."""


class Purchase(ItemEvent, tag="purchase", frozen=True):
    """The person bought an item. `price` is for one piece, `currency` as ISO 4217."""

    quantity: Quantity = 1
    price: float | None = None
    currency: str | None = None


class Rating(ItemEvent, tag="rating", frozen=True):
    """The person rated an item with `value` out of `scale`."""

    value: Annotated[float, msgspec.Meta(ge=0)]
    scale: Annotated[float, msgspec.Meta(gt=0)] = 5.0


class Impression(ItemEvent, tag="impression", frozen=True):
    """An item of a slate was on the person's screen, at `position` from 0."""

    recommendation_id: str
    epoch: Natural
    position: Natural


class Search(Event, tag="search", frozen=True):
    """The person typed a query."""

    query: Text


class Chat(Event, tag="chat", frozen=True):
    """The person wrote a line to an assistant."""

    text: Text


class Follow(Event, tag="follow", frozen=True):
    """The person follows another person."""

    followed_user_id: UserId


class Unfollow(Event, tag="unfollow", frozen=True):
    """The person takes a follow back."""

    followed_user_id: UserId


class Request(Event, tag="request", frozen=True):
    """Asks for a slate now and changes nothing."""


class Erase(Event, tag="erase", frozen=True):
    """Forget what this person did up to the append time of this record."""


AnyEvent = (
    View | Click | Cart | Uncart | Hide | Unhide | Purchase | Rating
    | Impression | Search | Chat | Follow | Unfollow | Request | Erase
)  # fmt: skip
EVENT_TYPES: tuple[type[Event], ...] = get_args(AnyEvent)
for _type, _kind in zip(EVENT_TYPES, KINDS, strict=True):
    assert _type.__struct_config__.tag == _kind
    _type.kind = _kind
