"""The dashboard 'Service': does every event become a recommendation in time, and if not, where
does it stop. Read from top to bottom it follows one event; the last row is the archive's view.
"""

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard

from infra.grafana.expressions import largest, quantile, rate, total
from infra.grafana.panels import lines, number, page, sql_lines, sql_table, stacked
from infra.grafana.sources import archive_variable
from infra.prometheus.config import WORKERS_JOB
from streams import metrics

_EVENTS_IN = 'stage="recommend"'
_FALLBACKS = 'fallback!="none"'
_UP = f'up{{job="{WORKERS_JOB}"}}'
_DEAD = f"count({_UP} == 0) or vector(0)"

_EVENTS_SQL = """
SELECT minute AS time, kind, sum(events) AS events
FROM events_per_minute
WHERE $__timeFilter(minute)
GROUP BY time, kind
ORDER BY time
""".strip()
_RECOMMENDATIONS_SQL = """
SELECT minute AS time, fallback, sum(recommendations) AS recommendations
FROM recommendations_per_minute
WHERE $__timeFilter(minute)
GROUP BY time, fallback
ORDER BY time
""".strip()
_TOP_ITEMS_SQL = """
SELECT item_id, any(title) AS title, count() AS slates, round(avg(place), 1) AS mean_position
FROM (
    SELECT items.item_id AS item_id, items.position AS place
    FROM recommendations FINAL
    ARRAY JOIN items
    WHERE $__timeFilter(issued_at)
) AS shown
ANY LEFT JOIN (SELECT item_id, title FROM items) AS known USING item_id
GROUP BY item_id
ORDER BY slates DESC, item_id
LIMIT 20
""".strip()
_CLICK_THROUGH_SQL = """
SELECT minute AS time, concat(model, ' ', model_version) AS served,
       sum(clicks) / sum(impressions) AS clicked
FROM click_through
WHERE $__timeFilter(minute)
GROUP BY time, served
ORDER BY time
""".strip()


def service() -> Dashboard:
    return page("Service", _now, _way_of_an_event, _what_stops, _workers, _archive)


def _now(board: dashboard.Dashboard) -> dashboard.Dashboard:
    fallbacks = rate(metrics.RECOMMENDATIONS, where=_FALLBACKS)
    # In good times there is no such series, and that is a share of 0, not 'no data'.
    share = f"({fallbacks} or vector(0)) / {rate(metrics.RECOMMENDATIONS)}"
    return (
        board.with_row(dashboard.Row("Now"))
        .with_panel(
            number(
                "Events a second",
                "User events folded; what the shop's producers send.",
                rate(metrics.EVENTS, where=_EVENTS_IN),
                units.EventsPerSecond,
            )
        )
        .with_panel(
            number(
                "Recommendations a second",
                "Slates committed to the topic.",
                rate(metrics.RECOMMENDATIONS),
                units.EventsPerSecond,
            )
        )
        .with_panel(
            number(
                "Event to recommendation, p99",
                "From the broker's time of an ask to the commit of its slate.",
                quantile(0.99, metrics.ANSWER_SECONDS),
                units.Seconds,
                bad_from=0.5,  # a page has been drawn by then
            )
        )
        .with_panel(
            number(
                "Share of fallbacks",
                "Slates that no model made. Look at scoring latency and at Triton.",
                share,
                units.PercentUnit,
                bad_from=0.05,
            )
        )
        .with_panel(
            number(
                "Records behind",
                "The largest lag of one partition. Growing: too few workers, or one that waits.",
                largest(metrics.LAG),
                units.Short,
                bad_from=10_000,
            )
        )
        .with_panel(
            number(
                "Dead workers",
                "Workers that should run and do not answer Prometheus. See their logs.",
                _DEAD,
                units.Short,
                bad_from=1,
            )
        )
    )


def _way_of_an_event(board: dashboard.Dashboard) -> dashboard.Dashboard:
    return (
        board.with_row(dashboard.Row("The way of an event"))
        .with_panel(
            lines(
                "Records read",
                "By stage and topic. A stage that stands still while its topic moves waits.",
                units.EventsPerSecond,
                {"{{stage}} {{topic}}": rate(metrics.EVENTS, "stage", "topic")},
            )
        )
        .with_panel(
            stacked(
                "Recommendations by fallback",
                "`none`: made by the model. `deadline`, `unavailable`: Triton was late or away."
                " `cold_user`: nothing known of the user yet.",
                units.EventsPerSecond,
                {"{{fallback}}": rate(metrics.RECOMMENDATIONS, "fallback")},
            )
        )
        .with_panel(
            lines(
                "Event to recommendation",
                "From the broker's time of an ask to the commit of its slate.",
                units.Seconds,
                {
                    "p50": quantile(0.5, metrics.ANSWER_SECONDS),
                    "p99": quantile(0.99, metrics.ANSWER_SECONDS),
                },
            )
        )
        .with_panel(
            lines(
                "Scoring",
                "One request to Triton, by how it ended.",
                units.Seconds,
                {
                    "p50 {{outcome}}": quantile(0.5, metrics.SCORING_SECONDS, "outcome"),
                    "p99 {{outcome}}": quantile(0.99, metrics.SCORING_SECONDS, "outcome"),
                },
            )
        )
        .with_panel(
            lines(
                "Each Triton",
                "The p99 of its answers. One far above the others is ejected by itself.",
                units.Seconds,
                {"p99 {{endpoint}}": quantile(0.99, metrics.SCORING_SECONDS, "endpoint")},
            )
        )
        .with_panel(
            lines(
                "Tritons under way and ejected",
                "Requests on their way to each, and how many workers only probe it because it is"
                " slow or does not answer.",
                units.Short,
                {
                    "in flight {{endpoint}}": total(metrics.TRITON_IN_FLIGHT, "endpoint"),
                    "ejected {{endpoint}}": total(metrics.TRITON_EJECTED, "endpoint"),
                },
            )
        )
        .with_panel(
            lines(
                "Second requests to a Triton",
                "Sent where the first took longer than 95 of 100. `refused`: the budget was used"
                " up, so every Triton is slow: there are too few.",
                units.EventsPerSecond,
                {"{{outcome}}": rate(metrics.HEDGES, "outcome")},
            )
        )
        .with_panel(
            lines(
                "Users a request to Triton",
                "32 at the most; near 1 under load means that batches are too small.",
                units.Short,
                {
                    "p50": quantile(0.5, metrics.SCORED_USERS),
                    "p99": quantile(0.99, metrics.SCORED_USERS),
                },
            )
        )
        .with_panel(
            lines(
                "Records a batch",
                "By stage. Larger batches are cheaper and later.",
                units.Short,
                {
                    "p50 {{stage}}": quantile(0.5, metrics.BATCH_RECORDS, "stage"),
                    "p99 {{stage}}": quantile(0.99, metrics.BATCH_RECORDS, "stage"),
                },
            )
        )
        .with_panel(
            lines(
                "Commit",
                "From the begin of a batch's transaction until it is committed, by stage.",
                units.Seconds,
                {
                    "p50 {{stage}}": quantile(0.5, metrics.COMMIT_SECONDS, "stage"),
                    "p99 {{stage}}": quantile(0.99, metrics.COMMIT_SECONDS, "stage"),
                },
                columns=2,
            )
        )
        .with_panel(
            lines(
                "Lag",
                "Records behind the end, over all partitions, seen from the workers.",
                units.Short,
                {"{{stage}} {{topic}}": total(metrics.LAG, "stage", "topic")},
                columns=2,
            )
        )
    )


def _what_stops(board: dashboard.Dashboard) -> dashboard.Dashboard:
    return (
        board.with_row(dashboard.Row("What goes another way"))
        .with_panel(
            stacked(
                "Refused messages by reason",
                "In the dead-letter topic with their position and bytes:"
                " `tidemill dead-letters list`.",
                units.EventsPerSecond,
                {"{{reason}}": rate(metrics.DEAD_LETTERS, "reason")},
            )
        )
        .with_panel(
            lines(
                "Forwarded",
                "Records that a producer put into the wrong partition: it partitions otherwise"
                " than Kafka's own clients do. They are put right here.",
                units.EventsPerSecond,
                {"{{producer}}": rate(metrics.FORWARDED, "producer")},
            )
        )
        .with_panel(
            lines(
                "Messages with unknown fields",
                "Read without them. A producer is newer than the workers, or misspells.",
                units.EventsPerSecond,
                {"{{topic}}": rate(metrics.UNKNOWN_FIELDS, "topic")},
            )
        )
    )


def _workers(board: dashboard.Dashboard) -> dashboard.Dashboard:
    return (
        board.with_row(dashboard.Row("Workers and archive"))
        .with_panel(
            lines(
                "Workers",
                "Dead ones are known to Prometheus and do not answer.",
                units.Short,
                {"running": f"sum({_UP})", "dead": _DEAD},
            )
        )
        .with_panel(
            lines(
                "Rows archived",
                "Into ClickHouse, by table.",
                units.RowsPerSecond,
                {"{{table}}": rate(metrics.ARCHIVED_ROWS, "table")},
            )
        )
        .with_panel(
            lines(
                "Partitions that wait for ClickHouse",
                "Above 0 while it is away: no row is lost, the lag of the archive grows.",
                units.Short,
                {"waiting": total(metrics.ARCHIVE_WAITING)},
            )
        )
    )


def _archive(board: dashboard.Dashboard) -> dashboard.Dashboard:
    return (
        board.with_variable(archive_variable())
        .with_row(dashboard.Row("From the archive"))
        .with_panel(
            sql_lines(
                "Events a minute by kind",
                "Each event once, however often it was delivered.",
                units.Short,
                _EVENTS_SQL,
            )
        )
        .with_panel(
            sql_lines(
                "Recommendations a minute by fallback",
                "Each recommendation once, however often it was delivered.",
                units.Short,
                _RECOMMENDATIONS_SQL,
            )
        )
        .with_panel(
            sql_table(
                "Items most often recommended", "Their titles as last updated.", _TOP_ITEMS_SQL
            )
        )
        .with_panel(
            sql_lines(
                "Click-through by model",
                "Clicked places among those that were on a screen, by the time of the slate."
                " Needs impression events.",
                units.PercentUnit,
                _CLICK_THROUGH_SQL,
            )
        )
    )
