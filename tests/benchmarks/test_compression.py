"""Every way to make a transformer smaller, on a log of a few people; no figure is judged."""

import msgspec
import pytest

from inference.compression.ways import NONE, WAYS
from infra.cli import datasets
from infra.local.settings import LocalSettings
from tests.benchmarks import compression
from tests.inference.logs import chains


@pytest.mark.parametrize("seconds", [0.0, 0.01])
def test_each_way_has_a_row(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setattr(datasets, "read_log", lambda *_: chains(users=30, items=20))
    options = compression.Options(epochs=1, users=8, seconds=seconds)
    document = compression.run(options, LocalSettings(), lambda _: None)
    assert document == msgspec.json.decode(msgspec.json.encode(document))
    rows = {row["way"]: row for row in document["compression"]}
    assert list(rows) == list(WAYS)
    assert rows["int8 layers"]["bytes"] < rows[NONE]["bytes"]
    assert rows[NONE]["pruning_rate"] == 0
    assert 0 < rows["30 % of the weights zero"]["pruning_rate"] < 0.3
    assert rows["int8 table"]["pruning_rate"] is None
    assert document["load"]["users"] == 8
    assert all((row["rows_per_s"] is None) == (seconds == 0) for row in rows.values())
    assert (document["chosen"] in rows) == (seconds > 0)
    assert compression.tables(document) == {"compression": document["compression"]}
