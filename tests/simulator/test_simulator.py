"""Random schedules of failures keep every promise; rules that are wrong on purpose do not."""

import pytest

from tests.simulator.play import first_failure, judged, main
from tests.simulator.schedule import SENTENCES, Step, schedule
from tests.simulator.shrink import shrunk, story
from tests.simulator.world import World
from tests.simulator.wrong import STORIES, WRONG

SCHEDULES = 2_000


def test_every_promise_is_kept_in_random_schedules() -> None:
    failure = first_failure(range(SCHEDULES))
    assert failure is None, str(failure)


@pytest.mark.parametrize("name", [name for name in WRONG if name not in STORIES])
def test_a_wrong_rule_is_found(name: str) -> None:
    failure = first_failure(range(SCHEDULES), WRONG[name])
    assert failure is not None, f"nobody notices that {name}"
    assert failure.wrong
    assert not judged(failure.steps), "the real rules bear it"


@pytest.mark.parametrize("name", STORIES)
def test_a_wrong_rule_is_found_by_a_schedule_that_chance_seldom_makes(name: str) -> None:
    assert judged(STORIES[name], WRONG[name]), f"nobody notices that {name}"
    assert not judged(STORIES[name]), "the real rules bear it"


def test_the_schedules_of_a_run_do_everything_that_can_happen() -> None:
    steps = [step for seed in range(50) for step in schedule(seed)]
    assert {step.what for step in steps} == set(SENTENCES)
    assert schedule(7) == schedule(7)


def test_in_many_schedules_an_origin_changes_hands_and_slates_are_handed_out() -> None:
    """So that a property is not kept because nothing happens."""
    epochs, handed = set(), 0
    for seed in range(100):
        world = World().play(schedule(seed))
        epochs.add(world.ownership("east").epoch)
        handed += sum(len(reader.handed) for reader in world.readers.values())
    assert len(epochs) > 5
    assert handed > 300


def test_a_schedule_that_fails_is_shrunk_to_the_steps_that_matter() -> None:
    steps = schedule(3)
    steps[5:5] = [Step("send", "east", 900)]
    steps += [Step("die", "west"), Step("revive", "west")]

    def fails(some: list[Step]) -> bool:
        return Step("send", "east", 900) in some and some[-1:] == [Step("revive", "west")]

    few = shrunk(steps, fails)
    assert few == [Step("send", "east", 900), Step("revive", "west")]
    assert story(few, ["it is late"]) == (
        "  1. an app sends event 900 to east\n"
        "  2. west is back\n"
        "     and once all is healed:\n"
        "     - it is late"
    )


def test_the_command_says_what_was_played(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--schedules", "3", "--first", "10"]) == 0
    assert "3 schedules" in capsys.readouterr().out
