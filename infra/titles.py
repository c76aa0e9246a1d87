"""Item ids to titles: what `item-updates` says last, and behind it the table of what is served.

Reads the whole topic, so it is for one person's look at a slate and never for a hot path.
"""

from contextlib import suppress

from infra import control
from schemas.codec import MessageDecoder, RefusedError
from schemas.items import ItemUpdate
from schemas.serving import MODEL
from schemas.topics import ITEM_UPDATES
from streams.catalogue.release_items import ReleaseError, read_release_items
from streams.settings import Settings


def titles(settings: Settings) -> dict[str, str]:
    """Raises BrokerError."""
    found: dict[str, str] = {}
    release = control.releases(settings).current(MODEL)
    if release is not None and (served := release.served.get(settings.region)) is not None:
        with suppress(ReleaseError):
            items = read_release_items(release, served.version).items.values()
            found = {item.item_id: item.title for item in items if item.title is not None}
    decoder: MessageDecoder[ItemUpdate] = MessageDecoder("item-update")
    newest: dict[str, int] = {}
    for copy in control.read(settings, ITEM_UPDATES):
        with suppress(RefusedError):
            update = decoder.decode(copy.value, copy.schema)
            if copy.timestamp_ms >= newest.get(update.item_id, 0):
                newest[update.item_id] = copy.timestamp_ms
                found[update.item_id] = update.title
    return found
