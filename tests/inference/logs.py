"""Small interaction logs for the tests, written as people would say them."""

from dataclasses import replace
from pathlib import Path

from inference.data.interactions import Interactions
from inference.data.rows import Rows

DAY_S = 86_400
START_S = 1_700_000_000


def log_of(histories: dict[str, str], *, kinds: dict[tuple[str, str], str] | None = None):
    """`{"ann": "a b c"}`: ann turned to a, then b, then c, a day apart. `kinds` by (user, item)."""
    rows = Rows("small", Path("small.txt"))
    line = 0
    for user, items in histories.items():
        for day, item in enumerate(items.split()):
            line += 1
            kind = (kinds or {}).get((user, item))
            rows.add(line, user, item, START_S + day * DAY_S, kind=kind)
    return rows.finish()


def chains(users: int = 40, items: int = 12, length: int = 6) -> Interactions:
    """Each user walks round a circle of items from a place of their own."""
    return log_of(
        {
            f"u{user}": " ".join(f"i{(user + step) % items}" for step in range(length))
            for user in range(users)
        }
    )


WORDS = ("red", "blue", "green", "violin", "trumpet", "shampoo", "mower", "nail", "garden", "bow")


def described_chains(users: int = 40, items: int = 12, length: int = 6) -> Interactions:
    """The same with titles: neighbours on the circle share a word."""
    log = chains(users, items, length)
    titles = {
        f"i{item}": f"{WORDS[item % len(WORDS)]} {WORDS[(item + 1) % len(WORDS)]} {item}"
        for item in range(items)
    }
    return replace(log, titles=tuple(titles[item] for item in log.items))
