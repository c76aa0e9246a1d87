"""What the archive stored as a training set: who turned to what, and when.

Read in shards of users by as many processes: whoever has a shard has all that its users did and all
their erasures, and nobody else has any of it. Deliveries that repeat count once (FINAL), erasures
count in every copy, and they are read last, so one that arrives meanwhile counts. Called by
`tidemill train --from clickhouse`; `inference.data.archived` has what is pure.
"""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from clickhouse_driver import Client
from clickhouse_driver.errors import Error as ClickHouseError

from inference.data.archived import SCALE, Event, log_of, not_erased
from inference.data.interactions import Interactions
from inference.errors import DataError
from schemas.identifiers import event_hash
from schemas.state import HISTORY_KINDS

# The driver logs each failed attempt to connect with its traceback; the error says it once.
logging.getLogger("clickhouse_driver.connection").setLevel(logging.CRITICAL)

Found = TypeVar("Found")
Execute = Callable[[str], Sequence[Sequence[Any]]]
"""Runs one statement and gives its rows."""

_CONNECT_S = 5
_ANSWER_S = 600
"""FINAL of a year's events takes a small server minutes."""
_AHEAD_MS = 5 * 60_000
"""An event is never later than this behind its append time, whatever its producer's clock says."""


@dataclass(frozen=True)
class Archive:
    """`address` is host:port of the native protocol."""

    address: str
    user: str
    password: str
    database: str


@dataclass(frozen=True)
class Span:
    """Events from `since_ms` on and before `until_ms`, by their event time; None: no bound."""

    since_ms: int | None = None
    until_ms: int | None = None


def read(archive: Archive, span: Span, processes: int = 1) -> Interactions:
    """By so many processes, each a shard. Raises DataError."""
    place = Path(f"{archive.address}/{archive.database}.user_events")
    of_shard = partial(_read_shard_of, archive, processes, span)
    try:
        if processes == 1:
            shards = [of_shard(0)]
        else:
            # spawn: a fork would share the threads' locks of whatever is loaded here.
            with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
                shards = list(pool.map(of_shard, range(processes)))
        titles, categories = _connected(archive, descriptions)
    except (ClickHouseError, OSError, EOFError) as error:
        said = " ".join(str(error).partition("Stack trace")[0].split())
        raise DataError(
            f"ClickHouse cannot be read: {said[:300]}; is it up, is the archive's database there,"
            " and may this user read it?",
            place,
        ) from error
    return log_of(shards, place, titles, categories)


def read_shard(execute: Execute, shard: int, shards: int, span: Span) -> list[Event]:
    """The events of the users whose hash is `shard` modulo `shards`, after their erasures."""
    mine = f"cityHash64(user_id) % {shards} = {shard}"
    kinds = ", ".join(f"'{kind}'" for kind in HISTORY_KINDS)
    wanted = [f"kind IN ({kinds})", mine]
    if span.since_ms is not None:
        # The days before need not be opened; copies there are older than any that is wanted.
        opened_s = max(0, span.since_ms - _AHEAD_MS) // 1000
        wanted += [f"happened_at_ms >= {span.since_ms}", f"appended_at >= toDateTime({opened_s})"]
    if span.until_ms is not None:
        wanted.append(f"happened_at_ms < {span.until_ms}")
    rows = execute(
        "SELECT user_id, event_id, kind, item_id, happened_at_ms, quantity, rating_value,"  # noqa: S608
        f" rating_scale FROM user_events FINAL WHERE {' AND '.join(wanted)}"
    )
    erasures = execute(
        "SELECT user_id, max(appended_at_ms) FROM user_events"  # noqa: S608
        f" WHERE kind = 'erase' AND {mine} GROUP BY user_id"
    )
    return not_erased(map(_event, rows), {user: int(time_ms) for user, time_ms in erasures})


def descriptions(execute: Execute) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """Titles and categories by item id, of those that have any."""
    rows = execute("SELECT item_id, title, categories FROM items")
    titles = {item: title for item, title, _ in rows if title}
    return titles, {item: tuple(said) for item, _, said in rows if said}


def _event(row: Sequence[Any]) -> Event:
    user, event_id, kind, item, time_ms, quantity, value, scale = row
    number: float | None = None
    if kind == "rating" and value is not None:
        number = float(value) / float(scale or SCALE) * SCALE
    elif kind == "purchase":
        number = float(quantity)
    return Event(int(time_ms), event_hash(event_id), user, kind, item, number)


def _read_shard_of(archive: Archive, shards: int, span: Span, shard: int) -> list[Event]:
    return _connected(archive, partial(read_shard, shard=shard, shards=shards, span=span))


def _connected(archive: Archive, ask: Callable[[Execute], Found]) -> Found:
    host, _, port = archive.address.rpartition(":")
    with Client(
        host,
        int(port),
        user=archive.user,
        password=archive.password,
        database=archive.database,
        connect_timeout=_CONNECT_S,
        send_receive_timeout=_ANSWER_S,
        client_name="tidemill-train",
    ) as client:
        return ask(client.execute)
