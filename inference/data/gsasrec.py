"""gSASRec's split of MovieLens-1M, put back together: train_input, val_input, val_output and
test_output, each a text file with one user a line, plain or .xz.

In that split a user's last item is the test. A line of train_input lacks the item before it, which
was in `test_input` alone (not read here, it is too large to be kept everywhere). For the users of
val_input nothing is missing: its lines are a line of train_input and one item more, and
val_output is the item after that. Users are named by their line.
"""

from pathlib import Path

from inference.data.interactions import Interactions
from inference.data.rows import Rows
from inference.data.text import numbered_lines, required
from inference.errors import DataError


def read_gsasrec(path: Path) -> Interactions:
    """`path` is the folder of the four files."""
    train = required(path, "train_input.txt")
    histories = list(numbered_lines(train))
    validation = _validation(path)
    tests = [text.strip() for _, text in numbered_lines(required(path, "test_output.txt"))]
    if len(tests) != len(histories):
        raise DataError(f"it has {len(histories)} users, but test_output has {len(tests)}", train)
    rows = Rows(path.name, train, kind="view", timed=False)
    for (number, history), test in zip(histories, tests, strict=True):
        known = tuple(history.split())
        items = [*known, *validation.pop(known, ()), test]
        for place, item in enumerate(items):
            rows.add(number, str(number), item, place)
    if validation:
        raise DataError(f"{len(validation)} lines of val_input do not continue one of its", train)
    return rows.finish()


def _validation(path: Path) -> dict[tuple[str, ...], tuple[str, str]]:
    """What follows a line of train_input: the last item of val_input and that of val_output."""
    inputs = required(path, "val_input.txt")
    histories = [tuple(text.split()) for _, text in numbered_lines(inputs)]
    items = [text.strip() for _, text in numbered_lines(required(path, "val_output.txt"))]
    if len(histories) != len(items):
        raise DataError(f"it has {len(histories)} lines, but val_output has {len(items)}", inputs)
    return {
        history[:-1]: (history[-1], item) for history, item in zip(histories, items, strict=True)
    }
