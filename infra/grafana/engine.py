"""The dashboard 'Engine': what each partition does, and what one that is silent waits for.

From top to bottom: does all go on, the partitions that do not and why, what a batch costs, what a
restart would cost, and what the states take. One line a partition wherever a single bad one would
vanish in a sum.
"""

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard

from infra.grafana.expressions import largest, mean, name, oldest, quantile, rate, total
from infra.grafana.panels import lines, number, page, stacked
from streams import metrics

_RECOMMEND = 'stage="recommend"'
_PHASE = name(metrics.PHASE)
"""An Enum's states are a label of its own name."""
_NOT_OPEN = f'{_PHASE}!="open"'
_EACH = "partition {{partition}}"


def engine() -> Dashboard:
    return page("Engine", _now, _silent, _batches, _restart, _states)


def _now(board: dashboard.Dashboard) -> dashboard.Dashboard:
    return (
        board.with_row(dashboard.Row("Now"))
        .with_panel(
            number(
                "Partitions open",
                "Of the users, over all workers.",
                total(metrics.PHASE, where=f'{_PHASE}="open"'),
                units.Short,
            )
        )
        .with_panel(
            number(
                "Partitions being opened",
                "After a start or a rebalance; for seconds, unless there is much to restore.",
                total(metrics.PHASE, where=_NOT_OPEN),
                units.Short,
                bad_from=1,
            )
        )
        .with_panel(
            number(
                "Longest wait",
                "Of an open partition; what for stands below.",
                f"{largest(metrics.WAITING)} or vector(0)",
                units.Seconds,
                bad_from=10,
            )
        )
        .with_panel(
            number(
                "Due asks",
                "Asks without an answer, late or of former times; they are being answered.",
                total(metrics.DUE_ASKS),
                units.Short,
                bad_from=1_000,
            )
        )
        .with_panel(
            number(
                "Marker's age by retention",
                "What a start would fold again, as a share of what the broker keeps. At 1, a worker"
                " that dies loses events for good.",
                f"({oldest(metrics.MARKER_TIME)}) / {largest(metrics.INPUT_RETENTION)}",
                units.PercentUnit,
                bad_from=0.1,
            )
        )
        .with_panel(
            number(
                "Origins published for",
                "By this region. 0: its slates are another region's to make.",
                f"count({name(metrics.OWNED_EPOCH)} > 0) or vector(0)",
                units.Short,
            )
        )
    )


def _silent(board: dashboard.Dashboard) -> dashboard.Dashboard:
    return (
        board.with_row(dashboard.Row("What a silent partition waits for"))
        .with_panel(
            stacked(
                "Partitions by phase",
                "`queued`: four a worker are opened at once. `fencing`: Kafka settles what the"
                " former holder left. `restoring`: the changelog is read. `replaying`: input behind"
                " the marker is folded again.",
                units.Short,
                {f"{{{{{_PHASE}}}}}": total(metrics.PHASE, _PHASE)},
            )
        )
        .with_panel(
            lines(
                "Records left to restore",
                "Of the phase that a partition is at.",
                units.Short,
                {_EACH: largest(metrics.RESTORE_LEFT, "partition")},
            )
        )
        .with_panel(
            lines(
                "Waiting for",
                "The longest wait of an open partition. `commit`: Kafka. `records`: Kafka, or a"
                " producer's transaction that is still open. `logs`: due asks are being looked for."
                " `ownership`: this region publishes for no origin. `stage`, `agent`: the worker"
                " itself; see its CPU.",
                units.Seconds,
                {"{{stage}} {{waits_for}}": largest(metrics.WAITING, "stage", "waits_for")},
            )
        )
    )


def _batches(board: dashboard.Dashboard) -> dashboard.Dashboard:
    by_partition = ("stage", "partition")
    return (
        board.with_row(dashboard.Row("Batches"))
        .with_panel(
            lines(
                "Records read",
                "By partition of the recommend stage. One far above the others: a hot user.",
                units.EventsPerSecond,
                {_EACH: rate(metrics.EVENTS, "partition", where=_RECOMMEND)},
            )
        )
        .with_panel(
            lines(
                "Records a batch, mean",
                "Larger batches are cheaper and later.",
                units.Short,
                {"{{stage}} {{partition}}": mean(metrics.BATCH_RECORDS, *by_partition)},
            )
        )
        .with_panel(
            lines(
                "Commit, mean",
                "From the begin of a batch's transaction until it is committed.",
                units.Seconds,
                {"{{stage}} {{partition}}": mean(metrics.COMMIT_SECONDS, *by_partition)},
            )
        )
        .with_panel(
            lines(
                "Commit, p99",
                "Over all partitions of a stage; far above the mean, one of them or Kafka stalls.",
                units.Seconds,
                {"{{stage}}": quantile(0.99, metrics.COMMIT_SECONDS, "stage")},
            )
        )
        .with_panel(
            lines(
                "Lag",
                "Records behind the end, the largest of a partition's topics.",
                units.Short,
                {"{{stage}} {{partition}}": largest(metrics.LAG, *by_partition)},
            )
        )
        .with_panel(
            stacked(
                "Late asks",
                "Past their deadline when read. `scored`: answered by the model all the same."
                " `waits`: Triton is away, they are tried again. `fallback`: lag grew past"
                " TIDEMILL_LAG_BOUND_S.",
                units.EventsPerSecond,
                {"{{outcome}}": rate(metrics.LATE_ASKS, "outcome")},
            )
        )
    )


def _restart(board: dashboard.Dashboard) -> dashboard.Dashboard:
    return (
        board.with_row(dashboard.Row("What a restart would cost"))
        .with_panel(
            lines(
                "Marker's age",
                "What a start folds again, in seconds of input; about two cycles of"
                " TIDEMILL_FLUSH_S. Growing: no cycle ends.",
                units.Seconds,
                {_EACH: oldest(metrics.MARKER_TIME, "partition")},
            )
        )
        .with_panel(
            lines(
                "Users not yet in the changelog",
                "Changed since they were written there.",
                units.Short,
                {_EACH: largest(metrics.DIRTY_USERS, "partition")},
            )
        )
        .with_panel(
            lines(
                "Due asks",
                "To be answered, oldest first, 128 with each batch.",
                units.Short,
                {_EACH: largest(metrics.DUE_ASKS, "partition")},
            )
        )
    )


def _states(board: dashboard.Dashboard) -> dashboard.Dashboard:
    return (
        board.with_row(dashboard.Row("States"))
        .with_panel(
            lines(
                "Users",
                "`hot` ones are in memory, bounded by TIDEMILL_HOT_MB; `all` is the store's"
                " estimate, too high by what RocksDB has not merged yet.",
                units.Short,
                {"{{in}}": total(metrics.USERS, "in")},
            )
        )
        .with_panel(
            lines(
                "Hot users",
                "By partition.",
                units.Short,
                {_EACH: total(metrics.USERS, "partition", where='in="hot"')},
            )
        )
        .with_panel(
            lines(
                "Bytes a user",
                "Mean of the states last written, as they are in the changelog.",
                units.BytesIEC,
                {_EACH: largest(metrics.USER_BYTES, "partition")},
            )
        )
    )
