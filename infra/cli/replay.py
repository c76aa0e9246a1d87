"""`tidemill replay`: a real log as the events that its shop would have produced."""

import time
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from inference.data import Interactions
from inference.errors import DataError
from infra import broker
from infra.cli.datasets import Data, Dataset, From, Until, read_log
from infra.cli.moments import between
from infra.cli.printing import out, tell
from infra.cli.region import local_settings, region_settings
from infra.replay import Pace, send_events, send_items
from schemas.topics import ITEM_UPDATES, USER_EVENTS
from streams.settings import Settings

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def replay(
    dataset: Dataset,
    *,
    data: Data = None,
    rate: Annotated[str | None, typer.Option(help="events a second, or max (the default)")] = None,
    speed: Annotated[float | None, typer.Option(help="times the log's own pace")] = None,
    start: From = None,
    until: Until = None,
) -> None:
    """Produce a data set's items and interactions; repeating it changes nothing."""
    pace = pace_of(rate, speed)
    local = local_settings()
    settings = region_settings()
    broker.require(settings, [USER_EVENTS.name, ITEM_UPDATES.name])
    log = between(read_log(dataset, data, local.place), start, until)
    if not len(log):
        raise DataError(f"{log.name} has no interaction in that time")
    if speed is not None and not log.timed:
        raise DataError(f"{log.name} has no times, so it has no pace; use --rate")
    items = send_items(settings, log)
    tell(f"{items} of {len(log.items)} items were new or said otherwise")
    begun_s = time.monotonic()
    count = send_with_bar(settings, log, pace, log.name)
    seconds = time.monotonic() - begun_s
    tell(f"{count} events in {seconds:.1f} s, {count / seconds:.0f} a second, all acknowledged")


def pace_of(rate: str | None, speed: float | None) -> Pace:
    """Raises typer.BadParameter, which is a wrong call."""
    if rate is not None and speed is not None:
        raise typer.BadParameter("--rate and --speed exclude each other")
    if speed is not None:
        if speed <= 0:
            raise typer.BadParameter("--speed must be above 0")
        return Pace(speed=speed)
    if rate in (None, "max"):
        return Pace()
    try:
        number = float(rate or "")
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise typer.BadParameter(f"--rate is {rate!r}; a number above 0 or max is wanted")
    return Pace(rate=number)


def send_with_bar(
    settings: Settings, log: Interactions, pace: Pace, what: str, suffix: str = ""
) -> int:
    """The events, with a bar that shows how many the broker has acknowledged."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=out,
    ) as bar:
        task = bar.add_task(what, total=len(log))
        return send_events(
            settings, log, pace, suffix=suffix, progress=lambda n: bar.update(task, completed=n)
        )
