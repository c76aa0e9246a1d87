"""Whether a standby makes the slates that the owner makes, where both made them from the same."""

from typing import Any

import msgspec
import pytest

from schemas.control import SampledSlate, ScoredItem
from schemas.recommendations import Arm, MadeFrom, ModelVersion, Recommendation
from streams.region.parity import TIE, SlatesCompared, compare_slates, is_sampled, slice_of
from tests.streams import archive_records as records

ITEMS = [("tea", 0.9), ("pot", 0.5), ("cup", 0.5), ("jug", 0.1)]


def published(items: list[tuple[str, float]] = ITEMS, **fields: Any) -> Recommendation:
    """What the owner published, with these items and scores."""
    names = tuple(item for item, _ in items)
    value = records.slate(1_700_000_000_000, items=names, **fields).value()
    slate = msgspec.json.decode(value or b"", type=Recommendation)
    scored = [
        msgspec.structs.replace(placed, score=score)
        for placed, (_, score) in zip(slate.items, items, strict=True)
    ]
    return msgspec.structs.replace(slate, items=scored)


def sampled(items: list[tuple[str, float]] = ITEMS, **fields: Any) -> SampledSlate:
    """What the standby made, from the same unless the fields say otherwise."""
    theirs = published()
    mine = SampledSlate(
        recommendation_id=theirs.recommendation_id,
        made_from=theirs.made_from,
        model=theirs.model,
        arms=theirs.arms,
        fallback=theirs.fallback,
        items=[ScoredItem(item_id=item, score=score) for item, score in items],
    )
    return msgspec.structs.replace(mine, **fields)


def compared(mine: SampledSlate, *theirs: Recommendation) -> SlatesCompared:
    return compare_slates([mine], theirs or [published()])


@pytest.mark.parametrize(
    "items",
    [
        ITEMS,
        [("tea", 0.9 + TIE / 2), ("pot", 0.5), ("cup", 0.5 - TIE / 2), ("jug", 0.1)],
        [("tea", 0.9), ("cup", 0.5), ("pot", 0.5), ("jug", 0.1)],
        [("tea", 0.9), ("pot", 0.5), ("cup", 0.5), ("mug", 0.1 + TIE / 2)],
    ],
    ids=["the same", "floats", "a tie in the other order", "a tie at the end"],
)
def test_slates_are_equal_up_to_ties(items: list[tuple[str, float]]) -> None:
    found = compared(sampled(items))
    assert found == (1, 1, 1, 1, frozenset())
    assert found.comparable_share == 1


@pytest.mark.parametrize(
    "items",
    [
        [("pot", 0.9), ("tea", 0.5), ("cup", 0.5), ("jug", 0.1)],
        [("tea", 0.9), ("pot", 0.5), ("cup", 0.5), ("mug", 0.1 + 3 * TIE)],
        [("tea", 0.9), ("pot", 0.5 + 3 * TIE), ("cup", 0.5), ("jug", 0.1)],
        ITEMS[:3],
        [*ITEMS, ("mug", 0.1)],
        [],
    ],
    ids=["another order", "another item", "another score", "one less", "one more", "none"],
)
def test_slates_that_are_not_alike_differ(items: list[tuple[str, float]]) -> None:
    found = compared(sampled(items))
    assert found == (1, 1, 1, 0, {published().recommendation_id})


@pytest.mark.parametrize(
    "fields",
    [
        {
            "made_from": MadeFrom(
                state="0" * 16, catalogue="b" * 16, vectors="c" * 16, fold="d" * 16
            )
        },
        {"model": ModelVersion(name="recommender", version="4")},
        {"model": None},
        {"arms": [Arm(experiment="more-new", revision=2, name="more-new")]},
        {"fallback": "deadline"},
    ],
    ids=["state", "version", "no model", "arm", "fallback"],
)
def test_what_was_made_from_something_else_is_not_compared(fields: dict[str, Any]) -> None:
    found = compared(sampled([], **fields))
    assert found == (1, 1, 0, 0, frozenset())
    assert found.comparable_share == 0


def test_an_ask_that_the_owner_did_not_answer_by_itself_counts_as_sampled_only() -> None:
    found = compared(sampled(), published(recommendation_id="of a newer ask"))
    assert found == (1, 0, 0, 0, frozenset())
    assert found.comparable_share is None


def test_each_pair_of_an_id_must_be_alike() -> None:
    """A failover answers an ask at a second epoch, an app sends its event again."""
    twice = published(), published(ITEMS[::-1], epoch=33)
    assert compared(sampled(), *twice).differing == {twice[0].recommendation_id}
    again = [sampled(), sampled(ITEMS[::-1])]
    assert compare_slates(again, twice[:1]).differing == {twice[0].recommendation_id}
    newer_state = msgspec.structs.replace(again[1].made_from, state="1" * 16)
    again[1] = msgspec.structs.replace(again[1], made_from=newer_state)
    assert compare_slates(again, twice[:1]) == (1, 1, 1, 1, frozenset())


def test_the_sample_is_a_share_of_the_users_of_every_slice() -> None:
    users = [f"user-{number}" for number in range(20_000)]
    chosen = {user for user in users if is_sampled(user, 0.1)}
    assert 1_800 < len(chosen) < 2_200
    assert {slice_of(user, 16) for user in chosen} == set(range(16))
    assert chosen < {user for user in users if is_sampled(user, 0.2)}
    assert all(is_sampled(user, 1.0) for user in users)
    assert not any(is_sampled(user, 0.0) for user in users)
