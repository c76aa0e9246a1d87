"""The dashboards as files: up to date, of known metrics only, in a language that parses."""

import json
import re
from itertools import chain
from pathlib import Path
from typing import Any

import promql_parser
import pytest
from prometheus_client import REGISTRY, Enum
from prometheus_client.metrics import MetricWrapperBase

from infra import standby_metrics
from infra.grafana import build
from infra.grafana.queries import panel_queries, plain_promql, plain_sql
from infra.grafana.sources import CLICKHOUSE, PROMETHEUS
from infra.probing import metrics as probing
from streams import metrics
from streams.histograms import BulkHistogram

DASHBOARDS = [json.loads(path.read_text()) for path in sorted(build.FOLDER.glob("*.json"))]
QUERIES = [query for dashboard in DASHBOARDS for query in panel_queries(dashboard)]
PROMQL = [plain_promql(query.query) for query in QUERIES if query.datasource == "prometheus"]
PROVISIONING = Path(build.__file__).parent / "provisioning"


def known_series() -> set[str]:
    """Every series name that a worker or Prometheus itself can store."""
    # What the dashboards read is registered by importing it.
    assert metrics.EVENTS
    assert standby_metrics.READY
    assert probing.LOST
    names = {"up"}
    for family in REGISTRY.collect():
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
        names.update(family.name + suffix for suffix in suffixes.get(family.type, [""]))
    return names


def selectors(node: Any) -> list[promql_parser.VectorSelector]:
    """All selectors in a parsed expression."""
    found = []

    def visit(each: Any) -> bool:
        if isinstance(each, promql_parser.VectorSelector):
            found.append(each)
        return True

    promql_parser.walk(node, visit)
    return found


def test_the_files_are_what_the_code_builds() -> None:
    for path, text in build.files().items():
        assert path.read_text() == text, f"run: python -m infra.grafana.build ({path.name})"
    assert {path.name for path in build.FOLDER.iterdir()} == {path.name for path in build.files()}


@pytest.mark.parametrize("expression", PROMQL)
def test_an_expression_parses_and_names_only_known_metrics(expression) -> None:
    found = selectors(promql_parser.parse(expression))
    assert found
    assert {selector.name for selector in found} <= known_series()


@pytest.mark.parametrize("expression", PROMQL)
def test_labels_that_are_grouped_by_exist(expression) -> None:
    labels = {"le"}
    declared = (vars(of).values() for of in (metrics, standby_metrics, probing))
    for metric in chain.from_iterable(declared):
        if isinstance(metric, BulkHistogram):
            labels.add(metric.label)
        elif isinstance(metric, MetricWrapperBase):
            labels.update(metric._labelnames)
        if isinstance(metric, Enum):
            labels.add(metric._name)
    for group in re.findall(r"by \(([^)]*)\)", expression):
        assert set(group.split(", ")) <= labels


def test_panels_have_a_title_a_sentence_and_no_overlap() -> None:
    for dashboard in DASHBOARDS:
        taken: set[tuple[int, int]] = set()
        for panel in dashboard["panels"]:
            place = panel["gridPos"]
            cells = {
                (place["x"] + column, place["y"] + line)
                for column in range(place["w"])
                for line in range(place["h"])
            }
            assert not cells & taken, panel["title"]
            taken |= cells
            assert place["x"] + place["w"] <= 24
            if panel["type"] != "row":
                assert panel["title"]
                assert panel["description"].endswith(".")
                assert panel["targets"], panel["title"]


def test_targets_of_a_panel_have_ids_of_their_own() -> None:
    for dashboard in DASHBOARDS:
        for panel in dashboard["panels"]:
            ids = [target["refId"] for target in panel.get("targets") or []]
            assert len(set(ids)) == len(ids), panel["title"]


def test_the_provisioned_sources_are_those_of_the_panels() -> None:
    text = (PROVISIONING / "datasources" / "tidemill.yaml").read_text()
    second = (Path(build.__file__).parent / "second-clickhouse.yaml").read_text()
    assert f"uid: {PROMETHEUS.uid}\n    type: {PROMETHEUS.type_val}\n" in text
    used = {query.datasource for query in QUERIES}
    assert used == {PROMETHEUS.type_val, CLICKHOUSE.type_val}
    with_archive = [board for board in DASHBOARDS if CLICKHOUSE.uid in json.dumps(board)]
    assert with_archive
    for board in with_archive:
        (variable,) = board["templating"]["list"]
        assert CLICKHOUSE.uid == f"${{{variable['name']}}}"
        assert (variable["type"], variable["query"]) == ("datasource", CLICKHOUSE.type_val)
        for provisioned in (text, second):
            (name,) = re.findall(
                rf"- name: (.+)\n    uid: .+\n    type: {CLICKHOUSE.type_val}\n", provisioned
            )
            assert re.search(variable["regex"].strip("/"), name)


def test_folded_rows_and_macros_are_read_too() -> None:
    dashboard = {
        "panels": [
            {
                "title": "row",
                "panels": [
                    {
                        "title": "inside",
                        "targets": [{"datasource": {"type": "p"}, "expr": "up[$__rate_interval]"}],
                    }
                ],
            }
        ]
    }
    (query,) = panel_queries(dashboard)
    assert (query.datasource, query.panel) == ("p", "inside")
    assert plain_promql(query.query, "30s") == "up[30s]"
    assert plain_sql("SELECT 1 WHERE $__timeFilter(minute)", 5, 9) == (
        "SELECT 1 WHERE (minute >= toDateTime(5) AND minute <= toDateTime(9))"
    )
