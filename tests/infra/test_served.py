"""What is served after a release, a canary, a promotion and a rollback."""

import pytest

from inference.errors import ReleaseError
from infra.served import promoted, released, rolled_back, versions
from schemas.control import Canary, Served


def test_a_release_is_for_all_and_remembers_what_was_before() -> None:
    first = released(None, "1")
    assert first == Served(version="1")
    assert released(first, "2") == Served(version="2", before="1")
    assert released(released(first, "2"), "2") == Served(version="2", before="1")


def test_a_canary_stands_beside_what_is_served_and_its_share_may_grow() -> None:
    small = released(Served(version="1"), "2", 0.05)
    assert small == Served(version="1", canary=Canary(version="2", share=0.05))
    assert versions(small) == ("1", "2")
    assert released(small, "2", 0.5).canary == Canary(version="2", share=0.5)


def test_a_promoted_canary_can_be_rolled_back() -> None:
    after = promoted(released(Served(version="1"), "2", 0.05))
    assert after == Served(version="2", before="1")
    assert rolled_back(after) == Served(version="1")


def test_a_rollback_takes_the_canary_away_first() -> None:
    beside = released(Served(version="2", before="1"), "3", 0.1)
    assert rolled_back(beside) == Served(version="2", before="1")
    assert rolled_back(beside, to="1") == Served(version="1")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda: released(None, "1", 0.1), "nothing is served yet"),
        (lambda: released(Served(version="1"), "1", 0.1), "served to all already"),
        (lambda: promoted(None), "no canary"),
        (lambda: promoted(Served(version="1")), "no canary"),
        (lambda: rolled_back(None), "nothing is served"),
        (lambda: rolled_back(Served(version="1")), "--to names a version"),
    ],
)
def test_what_cannot_be_done_is_said(change, said) -> None:
    with pytest.raises(ReleaseError, match=said):
        change()
