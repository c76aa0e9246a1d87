"""The worker against Triton alone, at its smallest; the figures are not judged here."""

import msgspec
import pytest

from infra.cli import datasets
from infra.local.settings import LocalSettings
from tests.benchmarks import score
from tests.benchmarks.score import asking
from tests.inference.logs import chains

USERS = 200


def test_everybody_has_a_past_and_asks_once() -> None:
    views = list(asking.views(3, [["a", "b"], ["c"]]))
    assert [(view.user_id, view.item_id) for view in views] == [
        ("asking-0000000", "a"),
        ("asking-0000000", "b"),
        ("asking-0000001", "c"),
        ("asking-0000002", "a"),
        ("asking-0000002", "b"),
    ]
    asks = [*asking.asks(3, 1), *asking.asks(3, 2)]
    assert len({ask.event_id for ask in asks}) == 6
    assert {ask.kind for ask in asks} == {"request"}


def test_slates_of_the_real_model_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    log = chains(users=60, items=40, length=12)
    monkeypatch.setattr(datasets, "read_log", lambda *_: log)
    options = score.Options(users=USERS, past=4, in_flight=(2,), seconds=0.5, runs=1)
    document = score.run(options, LocalSettings(), lambda _: None)
    assert document == msgspec.json.decode(msgspec.json.encode(document))
    found = document["score"]
    assert found["asks"] == found["slates"] == USERS
    assert found["fallback_share"] == 0
    assert found["slates_per_s"] > 0
    assert found["triton_per_s"] == found["triton_per_s_2_in_flight"] > 0
    assert [line["what"] for line in document["bars"]] == [
        "slates a second, of Triton's own maximum",
        "share of fallbacks",
    ]
    assert set(score.tables(document)) == {"score", "bars"}
