"""A peer is a program that learns from the split, ranks, and never sees what was right."""

import sys

import pytest

from inference.errors import DataError
from inference.evaluation import evaluate
from inference.evaluation.peers import Peer
from tests.inference.logs import chains

POPULAR = """
import sys
import numpy as np
split = np.load(sys.argv[1])
assert set(split.files) == {
    "user", "item", "asked_user", "asked_item", "users", "items", "k", "exclude_seen"}
often = np.bincount(split["item"], minlength=int(split["items"])).astype(float)
often += np.random.default_rng(int(sys.argv[3])).random(len(often)) / 2
ranked = np.full((int(split["users"]), int(split["k"])), -1)
for user in range(len(ranked)):
    seen = split["asked_item"][split["asked_user"] == user]
    order = np.argsort(-np.where(np.isin(np.arange(len(often)), seen), -1, often))
    ranked[user] = order[: ranked.shape[1]]
np.savez(sys.argv[2], ranked=ranked, seconds=0.5)
"""


def peer(tmp_path, program):
    path = tmp_path / "peer.py"
    path.write_text(program)
    return Peer((sys.executable, str(path)))


def test_a_peer_stands_beside_ours_on_the_same_split(tmp_path):
    found = evaluate(chains(), k=7, peers={"popular": peer(tmp_path, POPULAR)}, seeds=3)
    row = found.peers["popular"]
    # Of 12 items, each as popular as any other, 5 were seen: the 7 left are all shown.
    assert (row.mean.hr, row.spread.hr, row.seeds) == (1, 0, 3)
    assert row.spread.ndcg > 0
    assert row.fit_seconds == 0.5
    assert row.rows_per_s == (240 - 40) / 0.5
    assert evaluate(chains(), k=1).peers == {}


GOES_ON = POPULAR.replace(
    "seconds=0.5",
    "seconds=len(left)",
).replace(
    "split = np.load",
    """from pathlib import Path
left = [*Path(sys.argv[4]).iterdir()]
Path(sys.argv[4], str(len(left))).touch()
split = np.load""",
    1,
)


def test_a_peer_goes_on_from_what_it_left_where_it_may(tmp_path):
    def found(kept, *, resume=False, k=7):
        command = peer(tmp_path, GOES_ON).command
        row = evaluate(chains(), k=k, peers={"it": Peer(command, kept, resume)}).peers["it"]
        return row.fit_seconds

    kept = tmp_path / "kept"
    assert [found(kept), found(kept, resume=True), found(kept, resume=True)] == [0, 1, 2]
    assert found(kept, resume=True, k=6) == 0, "another question has a folder of its own"
    assert found(kept) == 0, "it begins anew"
    assert found(None, resume=True) == 0


def test_a_peer_that_fails_is_told_with_what_it_said(tmp_path):
    failing = peer(tmp_path, "raise SystemExit('no memory left')")
    with pytest.raises(DataError, match="failed: no memory left"):
        evaluate(chains(), k=1, peers={"failing": failing})
    short = peer(tmp_path, POPULAR.replace("ranked=ranked", "ranked=ranked[:3]"))
    with pytest.raises(DataError, match=r"ranked \(3, 2\), not \(40, 2\)"):
        evaluate(chains(), k=2, peers={"short": short})
    with pytest.raises(DataError, match="could not be run"):
        evaluate(chains(), k=2, peers={"none": Peer(("/no/such/program",))})
