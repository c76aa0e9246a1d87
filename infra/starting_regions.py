"""Several regions on this machine, from nothing to answering: what `tidemill up --regions` does.

First every region's servers and topics, then the mirrors between them, then owners, models and
workers: a worker that starts finds what its peers say on the way already. Every step is safe to
repeat and does only what is missing; if one fails, what this call started is stopped again.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack

from infra import control
from infra.local import servers
from infra.local.problems import LocalError
from infra.local.settings import LocalSettings
from infra.regions import Region, must_not_run, named, running
from infra.starting import Report, Up, begin, finish, nothing_left_behind
from streams.settings import Settings


def bring_up_regions(
    local: LocalSettings,
    names: Sequence[str],
    *,
    recommend_workers: int | None = None,
    fresh: bool = False,
    report: Report,
) -> list[Up]:
    """In the order of the regions' numbers. `local` are the machine's settings. Raises what
    `infra.starting.bring_up` does.
    """
    must_not_run(local, several=True)
    if others := [region.name for region in running(local) if region.name not in names]:
        raise LocalError(f"{', '.join(others)} runs here too; `tidemill down` stops all regions")
    regions = named(local, names)
    if fresh:
        bring_down_regions(local)
    with ExitStack() as left:
        for region in regions:
            left.enter_context(nothing_left_behind(region.local))
        begun = []
        for region in regions:
            tell = _of(region, report)
            begun.append(begin(region.local, region.settings, fresh=fresh, report=tell))
        kafka = {settings.region: settings.kafka for _, settings in begun}
        for region in regions:
            peers = {peer: kafka[peer] for peer in region.settings.peers}
            servers.start_mirror(region.local, region.name, peers, _of(region, report))
        owned = _owned_elsewhere([settings for _, settings in begun])
        return [
            finish(
                region.local,
                settings,
                found,
                recommend_workers,
                _of(region, report),
                is_owned=region.name in owned,
            )
            for region, (found, settings) in zip(regions, begun, strict=True)
        ]


def bring_down_regions(local: LocalSettings) -> dict[str, tuple[str, ...]]:
    """Stop all that run; what ran of each."""
    regions = running(local)
    mirrors = {region.name: servers.stop_mirror(region.local) for region in regions}
    return {region.name: (*mirrors[region.name], *servers.down(region.local)) for region in regions}


def _owned_elsewhere(regions: Sequence[Settings]) -> set[str]:
    """The origins of which some region here knows an owner, though a wiped one may not know it yet:
    the mirror is about to tell it.
    """
    return {origin for settings in regions for origin in control.ownerships(settings).origins}


def _of(region: Region, report: Report) -> Callable[[str], None]:
    return lambda sentence: report(f"{region.name}: {sentence}")
