"""Experiments that hold, and the arms of users."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import Reason, RefusedError
from schemas.control import Experiment, ExperimentArm
from schemas.recommendations import Arm
from streams.catalogue.experiments import Experiments
from tests.streams.control_copies import content, copy_of


def experiment(
    name: str = "e", revision: int = 1, region: str = "east", surface: str = "main", **arms: float
) -> Experiment:
    listed = [ExperimentArm(name=arm, share=share) for arm, share in arms.items()]
    return Experiment(name=name, revision=revision, region=region, surface=surface, arms=listed)


def of(*records: Experiment) -> Experiments:
    experiments = Experiments()
    for each in records:
        experiments.apply(copy_of(each, key=each.name, topic="experiments"))
    return experiments


def test_the_highest_revision_and_then_region_holds() -> None:
    records = [experiment(a=1), experiment(revision=2, b=1), experiment(revision=2, region="west")]
    for order in (records, records[::-1]):
        assert content(of(*order).current("e")) == content(records[2])
        assert of(*order).arms("ann", "main") == []  # a revision without arms ends it


@pytest.mark.parametrize(
    ("value", "key", "reason"),
    [
        (experiment(a=0.6, b=0.5), "e", Reason.OUT_OF_BOUNDS),
        (experiment(a=1.5), "e", Reason.OUT_OF_BOUNDS),
        (experiment(a=1), "f", Reason.OUT_OF_BOUNDS),
        (None, "e", Reason.NULL_VALUE),
        (
            Experiment(
                name="e",
                revision=2,
                region="east",
                surface="main",
                arms=[ExperimentArm(name="a", share=0.1)] * 2,
            ),
            "e",
            Reason.OUT_OF_BOUNDS,
        ),
    ],
)
def test_what_cannot_be_used_changes_nothing(
    value: Experiment | None, key: str, reason: Reason
) -> None:
    experiments = of(experiment(old=1))
    with pytest.raises(RefusedError) as refused:
        experiments.apply(copy_of(value, key=key))
    assert refused.value.reason == reason
    assert experiments.arms("ann", "main") == [Arm(experiment="e", revision=1, name="old")]


def test_ten_arms_of_a_tenth_are_a_whole() -> None:
    of(experiment(**{f"arm{n}": 0.1 for n in range(10)}))


def test_arms_are_of_the_surface_and_in_a_fixed_order() -> None:
    records = [experiment("f", a=1), experiment("e", b=1), experiment("g", surface="cart", c=1)]
    wanted = [
        Arm(experiment="e", revision=1, name="b"),
        Arm(experiment="f", revision=1, name="a"),
    ]
    assert of(*records).arms("ann", "main") == wanted
    assert of(*records[::-1]).arms("ann", "main") == wanted
    assert of(*records).arms("ann", "elsewhere") == []


def test_shares_are_kept_and_experiments_split_independently() -> None:
    experiments = of(experiment("one", a=0.5, b=0.2), experiment("two", a=0.5))
    counts: dict[tuple[str, ...], int] = {}
    for n in range(8000):
        arms = tuple(f"{arm.experiment}{arm.name}" for arm in experiments.arms(f"u{n}", "main"))
        counts[arms] = counts.get(arms, 0) + 1
    assert counts["onea", "twoa"] == pytest.approx(2000, abs=200)
    assert counts["onea",] == pytest.approx(2000, abs=200)
    assert counts["oneb", "twoa"] == pytest.approx(800, abs=130)
    assert counts[()] == pytest.approx(1200, abs=160)


@given(st.text(min_size=1, max_size=128))
def test_a_user_stays_in_an_arm_that_grows(user: str) -> None:
    before = of(experiment(a=0.3, b=0.2)).arms(user, "main")
    after = of(experiment(revision=2, a=0.3, b=0.7)).arms(user, "main")
    assert [arm.name for arm in before] in ([], [arm.name for arm in after])
