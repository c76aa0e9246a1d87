"""The data sources of the dashboards, and a typed ClickHouse query for the builders.

Ids and names are those that provisioning/datasources/tidemill.yaml gives. Called by `panels`.
"""

from typing import Self

from grafana_foundation_sdk.builders import dashboard, prometheus
from grafana_foundation_sdk.cog import builder, variants
from grafana_foundation_sdk.models.dashboard import DataSourceRef

PROMETHEUS = DataSourceRef(type_val="prometheus", uid="tidemill-prometheus")
ARCHIVE = "archive"
"""The variable by which a dashboard says which of several ClickHouses it reads."""
CLICKHOUSE = DataSourceRef(type_val="grafana-clickhouse-datasource", uid=f"${{{ARCHIVE}}}")

_SERIES, _TABLE = ("timeseries", 0), ("table", 1)
"""How the plugin names the two shapes of a result: by a word since version 4, by a number before
and beside it."""


class SqlQuery(variants.Dataquery):  # type: ignore[misc]
    """A query of the ClickHouse plugin, which the SDK does not know."""

    def __init__(self) -> None:
        self.sql = ""
        self.shape = _SERIES
        self.ref_id = ""

    def to_json(self) -> dict[str, object]:
        query_type, number = self.shape
        return {
            "datasource": CLICKHOUSE,
            "editorType": "sql",
            "queryType": query_type,
            "format": number,
            "rawSql": self.sql,
            "refId": self.ref_id,
        }


class Sql(builder.Builder[SqlQuery]):  # type: ignore[misc]
    """Builds an SqlQuery as the SDK's own builders do theirs."""

    def __init__(self, sql: str) -> None:
        self._query = SqlQuery()
        self._query.sql = sql

    def ref_id(self, ref_id: str) -> Self:
        self._query.ref_id = ref_id
        return self

    def table(self) -> Self:
        self._query.shape = _TABLE
        return self

    def build(self) -> SqlQuery:
        return self._query


def archive_variable() -> dashboard.DatasourceVariable:
    """A choice of Tidemill's ClickHouses: where one is away or behind, people take another."""
    return (
        dashboard.DatasourceVariable(ARCHIVE)
        .label("Archive")
        .description("Another ClickHouse has the same rows.")
        .type(CLICKHOUSE.type_val)
        .regex("/^Tidemill /")
    )


def promql(expression: str, legend: str = "") -> prometheus.Dataquery:
    """One expression over the dashboard's time; `legend` as `{{label}}`."""
    query = prometheus.Dataquery().expr(expression).datasource(PROMETHEUS).range()
    return query.legend_format(legend) if legend else query
