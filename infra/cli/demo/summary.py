"""The end of the demo: the figures with how they were measured, and where to look next."""

from rich.table import Table

from infra import archive, replicas
from infra.cli.demo.measure import PLACES, Figures
from infra.cli.printing import tell
from infra.replay import Pace
from infra.starting import Up
from streams.settings import Settings


def table(settings: Settings, found: Figures, events: int, asks: int, pace: Pace) -> Table:
    """Everything that was measured in this run."""
    shown = Table("", "", "measured", box=None, show_header=False, pad_edge=False)
    shown.add_row("events in", str(events), "acknowledged by Kafka")
    shown.add_row(
        "recommendations out",
        str(found.recommendations),
        f"to the {asks} events of the future, at {pace.rate:.0f} a second; one answers all that "
        "its person did within a batch",
    )
    shown.add_row(
        "event -> recommendation",
        f"p50 {found.latency_p50_ms:.0f} ms, p99 {found.latency_p99_ms:.0f} ms",
        "append time of the event -> record time of the recommendation",
    )
    shown.add_row(
        f"hit rate@{PLACES}",
        f"{found.hit_rate:.3f}",
        f"is the person's next film in the slate? {found.judged} slates",
    )
    shown.add_row(
        "  of the popularity list",
        f"{found.popular_hit_rate:.3f}",
        "for the same people at the same moments",
    )
    shown.add_row("fallback share", f"{found.fallback_share:.1%}", "of those recommendations")
    counts = archive.rows(settings, replicas.to_read(settings))
    rows = ", ".join(f"{name} {count}" for name, count in counts.items())
    shown.add_row("rows in ClickHouse", rows, "all runs together")
    return shown


def where_to_look(running: Up, user: str) -> None:
    """The next commands, as they can be typed."""
    found = running.endpoints
    tell("\nEverything goes on running. Where to look next:")
    for command, what in (
        ("tidemill status", "servers, workers, lag"),
        (f"tidemill recommend {user} --follow", "slates as events arrive"),
        (f"kcat -C -b {found.kafka} -t recommendations -o -5 -e", "the records themselves"),
        (f"clickhouse-client --port {found.clickhouse_port}", "the archive, database tidemill"),
        (found.prometheus, "rates, latency, lag"),
        ("make down", "stops everything; data stays"),
    ):
        tell(f"  {command:<56} {what}")
