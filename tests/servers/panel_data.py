"""Whether a dashboard's panels get data from the real servers behind them."""

import json
import math
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from infra.grafana.queries import PanelQuery, panel_queries, plain_promql, plain_sql

_WINDOW = "30s"
"""Tests scrape each second: enough for a rate, and soon empty again when a series stops."""
_SHOWN_S = 1800
"""The dashboard's own time range."""

Execute = Callable[[str], Sequence[Sequence[object]]]
"""Runs one statement in the archive's database and gives its rows."""

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def returns_data(query: PanelQuery, prometheus_url: str, execute: Execute) -> bool:
    """Whether this query, asked now, gives at least one number or row."""
    if query.datasource == "prometheus":
        return _has_number(prometheus_url, plain_promql(query.query, _WINDOW))
    now_s = int(time.time())
    return bool(execute(plain_sql(query.query, now_s - _SHOWN_S, now_s + 60)))


def empty_panels(
    dashboard: Mapping[str, Any], prometheus_url: str, execute: Execute
) -> list[PanelQuery]:
    """The queries of a dashboard that give nothing now."""
    return [
        query
        for query in panel_queries(dashboard)
        if not returns_data(query, prometheus_url, execute)
    ]


def _has_number(prometheus_url: str, expression: str) -> bool:
    parameters = urllib.parse.urlencode({"query": expression})
    with _DIRECT.open(f"{prometheus_url}/api/v1/query?{parameters}", timeout=10) as answer:
        found = json.load(answer)
    assert found["status"] == "success", found
    return any(not math.isnan(float(series["value"][1])) for series in found["data"]["result"])
