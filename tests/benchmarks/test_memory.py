"""What a user costs in memory is measured on the real states; the figure is not judged here."""

from schemas.state import HISTORY_LIMIT, INTERACTION_BYTES, MARK_BYTES
from tests.benchmarks.engine import memory


def test_a_user_costs_more_than_the_bytes_of_his_state() -> None:
    found = memory.measured(10_000)
    assert found["bytes_per_hot_user"] > HISTORY_LIMIT * INTERACTION_BYTES
    assert found["bytes_per_map_entry"] > MARK_BYTES / 2  # of 1,000 users, so only about
