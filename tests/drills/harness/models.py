"""The model of both regions, for drills in which Triton answers. Slow to import: torch."""

from pathlib import Path

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
    written = another(east)
    announce(east, written)
    until("the west hears of the release", lambda: _served(west, east.name) is not None)
    announce(west, written)
    until("the east hears of the release", lambda: _served(east, west.name) is not None)


def another(region: Region) -> Path:
    """One more version of the model, that is served nowhere yet; both regions find it."""
    return write(train(chains(users=60, items=ITEMS)), region.home.releases, {})


def announce(region: Region, written: Path) -> None:
    """Load a version, prove it, and say that this region serves it."""
    publish(region.settings, region.home, written)


def bring_model_back(region: Region) -> None:
    """Into the region's Triton, which forgets its models when it dies."""
    told = _served(region, region.name)
    assert told is not None
    bring_back(region.settings, region.home, MODEL, told)


def _served(region: Region, name: str) -> Served | None:
    return control.releases(region.settings).served(MODEL, name)
