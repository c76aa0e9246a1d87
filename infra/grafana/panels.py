"""The few kinds of panel that the dashboards are made of, so that they all read alike.

Called by the dashboards. A panel's description says what it shows and what to do when it is bad.
"""

from collections.abc import Callable

from grafana_foundation_sdk.builders import common, dashboard, stat, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import (
    Dashboard,
    DashboardCursorSync,
    DataSourceRef,
    Threshold,
    ThresholdsMode,
)

from infra.grafana.sources import CLICKHOUSE, PROMETHEUS, Sql, promql

_WIDTH = 24
"""Columns of Grafana's grid."""
_HEIGHT, _STAT_HEIGHT = 8, 4

Series = dict[str, str]
"""Legend -> expression."""


def page(about: str, *add_rows: Callable[[dashboard.Dashboard], dashboard.Dashboard]) -> Dashboard:
    """A dashboard with its rows from top to bottom."""
    built = (
        dashboard.Dashboard(f"Tidemill: {about}")
        .uid(f"tidemill-{about.lower()}")
        .tags(["tidemill"])
        .time("now-30m", "now")
        .refresh("10s")
        .timezone("utc")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .readonly()
    )
    for add_row in add_rows:
        built = add_row(built)
    whole: Dashboard = built.build()
    return whole


def number(
    title: str, about: str, expression: str, unit: str, bad_from: float | None = None
) -> stat.Panel:
    """One number, green, and red from `bad_from` on."""
    thresholds = dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE)
    steps = [Threshold(value=None, color="green")]
    if bad_from is not None:
        steps.append(Threshold(value=bad_from, color="red"))
    return (
        stat.Panel()
        .title(title)
        .description(about)
        .datasource(PROMETHEUS)
        .with_target(promql(expression).ref_id("A"))
        .unit(unit)
        .thresholds(thresholds.steps(steps))
        .color_mode(BigValueColorMode.VALUE)
        .graph_mode(BigValueGraphMode.AREA)
        .no_value("0")
        .height(_STAT_HEIGHT)
        .span(_WIDTH // 6)
    )


def lines(title: str, about: str, unit: str, series: Series, *, columns: int = 3) -> Builder:
    """Lines over time; `columns` panels stand in a row."""
    panel = _over_time(title, about, unit, PROMETHEUS, columns)
    for place, (legend, expression) in enumerate(series.items()):
        panel = panel.with_target(promql(expression, legend).ref_id(chr(ord("A") + place)))
    return panel


def stacked(title: str, about: str, unit: str, series: Series, *, columns: int = 3) -> Builder:
    """Parts of a whole over time."""
    stacking = common.StackingConfig().mode(StackingMode.NORMAL)
    return lines(title, about, unit, series, columns=columns).stacking(stacking).fill_opacity(30)


def sql_lines(title: str, about: str, unit: str, sql: str, *, columns: int = 2) -> Builder:
    """Lines over time from ClickHouse: a time, then labels, then numbers."""
    return _over_time(title, about, unit, CLICKHOUSE, columns).with_target(Sql(sql).ref_id("A"))


def sql_table(title: str, about: str, sql: str, *, columns: int = 2) -> Builder:
    query: Builder[Dataquery] = Sql(sql).table().ref_id("A")
    return (
        table.Panel()
        .title(title)
        .description(about)
        .datasource(CLICKHOUSE)
        .with_target(query)
        .height(_HEIGHT)
        .span(_WIDTH // columns)
    )


def _over_time(
    title: str, about: str, unit: str, source: DataSourceRef, columns: int
) -> timeseries.Panel:
    legend = (
        common.VizLegendOptions()
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
        .show_legend(True)
    )
    return (
        timeseries.Panel()
        .title(title)
        .description(about)
        .datasource(source)
        .unit(unit)
        .min(0)
        .legend(legend)
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
        .show_points(VisibilityMode.NEVER)
        .no_value("0")
        .height(_HEIGHT)
        .span(_WIDTH // columns)
    )
