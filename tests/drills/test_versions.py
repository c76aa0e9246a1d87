"""The check of the versions that slates name finds those that nobody served."""

import msgspec
import pytest

from schemas.recommendations import Cause, MadeFrom, ModelVersion, ReadFrom, Recommendation
from tests.drills.check.findings import Findings
from tests.drills.check.versions import check_versions

SLATE = Recommendation(
    recommendation_id="r",
    user_id="kim",
    surface="main",
    issued_at_ms=1,
    cause=Cause(event_id="e", kind="click", at_ms=1, appended_at_ms=1),
    items=[],
    model=ModelVersion(name="recommender", version="2"),
    arms=[],
    fallback=None,
    made_from=MadeFrom(state="s", catalogue="c", vectors="v", fold="f"),
    region="east",
    origin="east",
    epoch=16,
    read_from=ReadFrom(cluster="east", topic="user-events", partition=0, offset=0),
)


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({}, {}),
        ({"model": None, "fallback": "deadline"}, {}),
        ({"model": None}, {"slates that name no version": 1}),
        (
            {"model": ModelVersion(name="recommender", version="3")},
            {"slates of a version that was never served": 1},
        ),
    ],
)
def test_a_slate_names_a_version_that_its_region_served(
    changed: dict[str, object], wrong: dict[str, int]
) -> None:
    findings = Findings()
    made = [msgspec.structs.replace(SLATE, **changed)]
    check_versions("east", made, {"east": {"1", "2"}, "west": {"3"}}, findings)
    assert findings.counts == wrong
