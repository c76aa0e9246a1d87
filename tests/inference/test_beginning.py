"""Where a transformer's items begin."""

import numpy as np
import pytest
import torch

from inference.training.beginning import beginning
from inference.training.sequences import Sequences
from tests.inference.logs import log_of

CLANS = "abcd", "wxyz"


def sequences_of(histories):
    log = log_of(histories)
    return Sequences.of(log, np.arange(len(log.items))), list(log.items)


def clans(people=20):
    """Each person turns to the items of one clan only, in an order of their own."""
    random = np.random.default_rng(0)
    named = {f"{clan}{n}": " ".join(random.permutation([*clan])) for clan in CLANS
             for n in range(people)}  # fmt: skip
    return sequences_of(named)


def test_items_begin_beside_what_goes_with_them():
    sequences, items = clans()
    rows = beginning(sequences, len(items), 8)
    cosines = rows @ rows.T
    mine = torch.tensor([[one in CLANS[0] for one in items]])
    same = (mine == mine.T) & ~torch.eye(len(items), dtype=torch.bool)
    assert cosines[same].min() > cosines[~(mine == mine.T)].max() + 0.2


@pytest.mark.parametrize("dim", [2, 8, 64])
def test_every_item_has_a_row_of_length_1_however_few_or_lonely(dim):
    sequences, items = sequences_of({"ann": "a b a", "bob": "b c", "cy": "lonely"})
    rows = beginning(sequences, len(items), dim)
    assert rows.shape == (4, dim)
    assert torch.isfinite(rows).all()
    sizes = rows.norm(dim=1)
    if dim > len(items):
        torch.testing.assert_close(sizes, torch.ones(4))
    assert sizes.max() <= 1 + 1e-5


def test_the_same_sequences_begin_alike_and_leave_chance_alone():
    sequences, items = clans()
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    one = beginning(sequences, len(items), 8)
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(one, beginning(sequences, len(items), 8))
