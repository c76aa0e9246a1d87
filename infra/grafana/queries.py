"""What a dashboard's panels ask, as a server is asked without Grafana between.

Pure. Called by the tests that prove each panel against real servers.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

_TIME_FILTER = re.compile(r"\$__timeFilter\(([^()]+)\)")


class PanelQuery(NamedTuple):
    datasource: str
    """The plugin's type: `prometheus` or `grafana-clickhouse-datasource`."""
    query: str
    panel: str


def panel_queries(dashboard: Mapping[str, Any]) -> list[PanelQuery]:
    """Every query of a dashboard's JSON, also those of folded rows."""
    return list(_queries(dashboard["panels"]))


def _queries(panels: list[dict[str, Any]]) -> Iterator[PanelQuery]:
    for panel in panels:
        yield from _queries(panel.get("panels") or [])
        for target in panel.get("targets") or []:
            query = target["expr"] if "expr" in target else target["rawSql"]
            yield PanelQuery(target["datasource"]["type"], query, panel["title"])


def plain_promql(query: str, window: str = "1m") -> str:
    """Without Grafana's variables."""
    return query.replace("$__rate_interval", window)


def plain_sql(query: str, from_s: int, to_s: int) -> str:
    """With the plugin's time macro written out as the plugin does, for seconds since 1970."""
    return _TIME_FILTER.sub(rf"(\1 >= toDateTime({from_s}) AND \1 <= toDateTime({to_s}))", query)
