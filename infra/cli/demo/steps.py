"""The steps of the demo: each is what a command of `tidemill` does, in the order in which a person
would call them.
"""

from time import monotonic

from infra.cli.datasets import read_log
from infra.cli.demo import film_night, measure, people, summary
from infra.cli.demo.model import serve_model
from infra.cli.moments import between, moment_ms
from infra.cli.printing import out, tell
from infra.cli.replay import send_with_bar
from infra.local.settings import LocalSettings
from infra.replay import Pace, send_items
from infra.starting import bring_up
from streams.settings import Settings
from streams.topology import ARCHIVE, RECOMMEND

DATASET = "ml-100k"
CUT = "80%"
FUTURE = Pace(rate=300)
"""Events a second: what two cores answer one by one, so that the latency is that of a service
with room to spare and not that of a queue.
"""


def run(local: LocalSettings) -> None:
    begun_s = monotonic()
    _title("Servers and workers")
    running = bring_up(local, Settings(), report=tell)
    settings = running.settings

    _title("A real log, and a model of its past")
    log = read_log(DATASET, None, local.place)
    until_ms = moment_ms(log, CUT)
    tell(
        f"{DATASET}: {len(log)} ratings of {len(log.items)} films by {len(log.users)} people; "
        f"the model sees the first {CUT}"
    )
    serve_model(settings, local.place, log, until_ms)

    _title("The past, as fast as it goes")
    suffix = people.suffix_of_this_run(local.place)
    past, future = between(log, None, CUT), between(log, CUT, None)
    tell(f"{send_items(settings, log)} of {len(log.items)} films were new to item-updates")
    send_with_bar(settings, past, Pace(), "past", suffix)
    measure.wait_until_done(RECOMMEND, settings, "folded and answered")
    user = film_night.somebody(past, future) + suffix
    film_night.first_slate(settings, user)
    tell(f"That was the first recommendation shown, {monotonic() - begun_s:.0f} s after the start.")

    _title("The future, as it happened, at a service's pace")
    watch = measure.Watch(settings)
    send_with_bar(settings, future, FUTURE, "future", suffix)
    measure.wait_until_done(RECOMMEND, settings, "folded and answered")
    answers = list(watch.answers())

    _title("One person, three clicks")
    film_night.three_clicks(settings, user)

    measure.wait_until_done(ARCHIVE, settings, "archived")
    figures = measure.figures(log, until_ms, answers, suffix)
    _title("Summary")
    out.print(summary.table(settings, figures, len(log), len(future), FUTURE))
    summary.where_to_look(running, user)


def _title(text: str) -> None:
    out.print(f"\n[bold]{text}[/bold]")
