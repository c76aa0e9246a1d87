"""Several regions on one machine: which there are, and where each of them is.

Each has a home of its own below the machine's, <home>/regions/<region>, with its data, logs and
processes, so that one can be stopped, killed or wiped while the other goes on; tools and releases
are shared. A region keeps the number that it was given first: it is part of every epoch that is
written there, and moves its ports out of the way of the others'. Called by the command line and by
`infra.starting_regions`.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from infra.local import servers
from infra.local.problems import LocalError
from infra.local.settings import LocalSettings
from streams.region.ownership import REGION_NUMBERS
from streams.settings import Settings

_PORTS_APART = 100
"""From one region's ports to the next one's; no default port of a server meets another's so."""
_LAST_PORT = 65_535


@dataclass(frozen=True)
class Region:
    """`settings` name the region, its number and its peers; where its servers are, only
    `infra.starting.with_endpoints` knows.
    """

    local: LocalSettings
    settings: Settings

    @property
    def name(self) -> str:
        return self.settings.region


def named(local: LocalSettings, names: Sequence[str]) -> tuple[Region, ...]:
    """Each of these as a region of this machine, with the others as its peers. A new one gets the
    next number for good. Raises LocalError, and pydantic's ValidationError for a name that is none.
    """
    if len(set(names)) != len(names) or len(names) < 2:
        raise LocalError("regions are two or more names that differ, such as east,west")
    for name in names:
        Settings(region=name)
    known = _numbers(local)
    for name in names:
        known.setdefault(name, next(n for n in range(len(known) + 1) if n not in known.values()))
    if max(known.values()) >= REGION_NUMBERS:
        raise LocalError(f"there cannot be more than {REGION_NUMBERS} regions")
    file = _file(local)
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".new")
    unfinished.write_bytes(msgspec.json.encode(known))
    unfinished.replace(file)
    ordered = sorted(names, key=known.__getitem__)
    return tuple(
        _region(
            _home(local, name, known[name]),
            name,
            known[name],
            tuple(peer for peer in ordered if peer != name),
        )
        for name in ordered
    )


def running(local: LocalSettings) -> tuple[Region, ...]:
    """Those that were brought up and not down again, in the order of their numbers; none where this
    machine is one region, or nothing.
    """
    found = []
    for name, number in sorted(_numbers(local).items(), key=lambda item: item[1]):
        place = _home(local, name, number)
        # A peer stays one when it is gone, or its copies here would be overlooked.
        if (endpoints := servers.endpoints(place)) is not None:
            found.append(_region(place, name, number, tuple(endpoints.peers)))
    return tuple(found)


def asked_for(local: LocalSettings, given: Settings) -> Region | None:
    """The running region that a command is for: TIDEMILL_REGION's, or the first. None where not
    several run here. Raises LocalError where that one does not.
    """
    found = running(local)
    if not found:
        return None
    if "region" not in given.model_fields_set:
        return found[0]
    for region in found:
        if region.name == given.region:
            return region
    names = ", ".join(region.name for region in found)
    raise LocalError(f"region {given.region} does not run here, {names} do; see TIDEMILL_REGION")


def must_not_run(local: LocalSettings, *, several: bool) -> None:
    """Raises LocalError where one region runs here and several are to, or the other way round."""
    names = ",".join(region.name for region in running(local))
    if names and not several:
        raise LocalError(
            f"the regions {names} run here: `tidemill up --regions {names}` starts what is missing "
            "of them, `tidemill down` stops them"
        )
    if several and servers.endpoints(local) is not None:
        raise LocalError("one region runs here alone; `tidemill down` stops it, its data stays")


def _region(local: LocalSettings, name: str, number: int, peers: tuple[str, ...]) -> Region:
    return Region(local, Settings(region=name, region_number=number, peers=peers))


def _home(local: LocalSettings, name: str, number: int) -> LocalSettings:
    shifted = {}
    for field in LocalSettings.model_fields:
        if field.endswith("_port") and (port := getattr(local, field)) != 0:
            shifted[field] = port + number * _PORTS_APART
            if shifted[field] > _LAST_PORT:
                raise LocalError(f"TIDEMILL_{field.upper()}: {port} is too high for region {name}")
    place = local.place
    return local.model_copy(
        update={
            "home": place.root / "regions" / name,
            "tools": place.tools,
            "releases": place.releases,
            **shifted,
        }
    )


def _file(local: LocalSettings) -> Path:
    return local.place.root / "regions" / "numbers.json"


def _numbers(local: LocalSettings) -> dict[str, int]:
    """Of every region that there ever was here."""
    with suppress(FileNotFoundError):
        return msgspec.json.decode(_file(local).read_bytes(), type=dict[str, int])
    return {}
