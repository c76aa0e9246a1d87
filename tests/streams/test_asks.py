"""Asks that are due: their order, and what a newer ask does to them."""

from schemas.events import Request
from streams.stages.asks import Ask, DueAsks


def ask(user: str, appended_at_ms: int, origin: str = "east") -> Ask:
    event = Request(event_id=f"{user}-{appended_at_ms}", user_id=user, at_ms=appended_at_ms)
    return Ask(event, origin, appended_at_ms, "user-events", 0)


ANN, BOB, CAT, DAN = (ask(name, at) for at, name in enumerate(("ann", "bob", "cat", "dan")))
NEWER = ask("ann", 7)


def due(*asks: Ask) -> DueAsks:
    found = DueAsks()
    found.replace("east", asks)
    return found


def test_the_oldest_is_taken_first() -> None:
    asks = due(CAT, ANN, BOB)
    assert asks.take(2, {}) == [ANN, BOB]
    assert asks.take(2, {}) == [CAT]


def test_what_a_newer_ask_answers_is_dropped() -> None:
    asks = due(ANN, BOB)
    older = ask("ann", -1)
    asks.put_back(asks.take(0, {older.place: older}))
    assert len(asks) == 2
    assert asks.take(5, {NEWER.place: NEWER}) == [BOB]
    assert not asks


def test_what_is_put_back_is_in_its_place_again() -> None:
    asks = due(ANN, BOB, CAT)
    asks.put_back([*asks.take(2, {}), DAN])
    assert len(asks) == 4
    assert asks.oldest_ms() == {"east": ANN.appended_at_ms}
    assert asks.take(9, {}) == [ANN, BOB, CAT, DAN]


def test_the_oldest_due_is_known_by_origin_whatever_is_put_back() -> None:
    asks = due(BOB, CAT)
    asks.put_back([ask("eve", 9, "west"), DAN, ask("fay", 8, "west")])
    assert asks.oldest_ms() == {"east": BOB.appended_at_ms, "west": 8}
