"""What a user costs in memory is measured on the real states; the figure is not judged here."""

from schemas.state import HISTORY_LIMIT, INTERACTION_BYTES, MARK_BYTES
from tests.benchmarks.engine import memory


def test_a_user_costs_more_than_the_bytes_of_his_state() -> None:
    found = memory.measured(30_000)
    # RocksDB's own threads give memory back while it is measured, a megabyte or so.
    assert found["bytes_per_hot_user"] > 0.9 * HISTORY_LIMIT * INTERACTION_BYTES
    assert found["bytes_per_map_entry"] > MARK_BYTES / 2  # of 1,000 users, so only about
