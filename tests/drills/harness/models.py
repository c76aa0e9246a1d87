"""The model of both regions, for drills in which Triton answers. Slow to import: torch."""

from inference.releases import write
from inference.training import train
from infra import control
from infra.releases import bring_back, publish
from schemas.control import Served
from schemas.serving import MODEL
from tests.drills.harness.region import Region
from tests.drills.harness.regions import ITEMS, Regions
from tests.drills.harness.waiting import until
from tests.inference.logs import chains


def release(made: Regions) -> None:
    """The same small model in both: each item leads to the next."""
    east, west = made.values()
    written = write(train(chains(users=60, items=ITEMS)), east.home.releases, {})
    publish(east.settings, east.home, written)
    until("the west hears of the release", lambda: _served(west, east.name) is not None)
    publish(west.settings, west.home, written)
    until("the east hears of the release", lambda: _served(east, west.name) is not None)


def bring_model_back(region: Region) -> None:
    """Into the region's Triton, which forgets its models when it dies."""
    served = _served(region, region.name)
    assert served is not None
    bring_back(region.settings, region.home, MODEL, served)


def _served(region: Region, name: str) -> Served | None:
    return control.releases(region.settings).served(MODEL, name)
