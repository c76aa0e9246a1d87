"""Two Tritons of which one is stopped now and then, at its smallest; no figure is judged."""

import msgspec
import pytest

from infra.cli import datasets
from infra.local.settings import LocalSettings
from tests.benchmarks import balance
from tests.inference.logs import chains


def test_each_policy_is_measured_with_and_without_hedges(monkeypatch: pytest.MonkeyPatch) -> None:
    log = chains(users=60, items=40, length=12)
    monkeypatch.setattr(datasets, "read_log", lambda *_: log)
    options = balance.Options(
        policies=("round_robin", "user"), rate=10.0, seconds=2.0, every_ms=1000, runs=1, past=4
    )
    document = balance.run(options, LocalSettings(), lambda _: None)
    assert document == msgspec.json.decode(msgspec.json.encode(document))
    rows = document["balance"]
    assert [(row["policy"], row["hedged"]) for row in rows] == [
        ("round_robin", False), ("round_robin", True), ("user", False), ("user", True),
    ]  # fmt: skip
    for row in rows:
        assert 0 < row["p50_ms"] <= row["p99_ms"] <= row["max_ms"]
        assert 0 <= row["fallback_share"] <= 1
        assert 0 <= row["to_the_stopped_one"] <= 1
    assert len(document["bars"]) == 2
    assert set(balance.tables(document)) == {"balance", "bars"}
