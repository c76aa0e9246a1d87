"""States from elsewhere into this region, by `user-state.joins`: the one way there is.

What this region has already is not sent: a state is left out where joining it would change
nothing, as the region's own changelog tells. So a command that is repeated goes on where it was,
and one that has nothing to bring sends nothing. Workers fold joins beside their events; a sender
that is far ahead of them waits, so that people who ask meanwhile are not kept waiting by it.
Called by `restore` and by `region join`. Never writes to the changelog.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass

from infra import broker
from infra.backup import changelog
from infra.backup.changelog import decoded
from infra.backup.problems import BackupError
from infra.broker import Sender
from schemas.state import EMPTY, UserState
from schemas.topics import STATE_CHANGELOG, STATE_JOINS
from streams.lane import positions
from streams.settings import Settings
from streams.state.join import join
from streams.state.store import Store

AHEAD = 20_000
"""States that may wait for workers: a second or two of their time."""
_LOOK_EVERY = 10_000
"""States sent between two looks at how far the workers are."""
_LOOK_S = 0.5
_NOBODY_S = 30.0
"""Without a step of any worker for so long, nobody takes joins now; they will when they start."""
_WAIT_S = 120.0
"""The same for somebody who wants to see them joined."""


@dataclass
class Joined:
    """What a join did. `here`: states that would have changed nothing."""

    read: int = 0
    sent: int = 0
    here: int = 0
    waited: bool = False
    """Whether workers have folded all that was sent."""

    def sentence(self) -> str:
        what = f"{self.read} states read, {self.here} were here already, {self.sent} sent to"
        rest = "and joined by the workers" if self.waited else "which workers fold like any input"
        return f"{what} {STATE_JOINS.name} {rest}"

    def foretold(self) -> str:
        """Of a dry run, where `sent` were only counted."""
        return (
            f"{self.read} states read, {self.here} are here already, {self.sent} would be sent to"
            f" {STATE_JOINS.name}; nothing was, and nothing would be lost"
        )


def require_region(settings: Settings) -> None:
    """Raises BrokerError, and BackupError where the joins' partitions are not the setting's."""
    broker.require(settings, [STATE_JOINS.name, STATE_CHANGELOG.name])
    with closing(broker.reader(settings)) as consumer:
        found = len(broker.partitions(consumer, [STATE_JOINS.name]))
    if found != settings.partitions:
        raise BackupError(
            f"{STATE_JOINS.name} has {found} partitions, TIDEMILL_PARTITIONS says"
            f" {settings.partitions}; `tidemill topics --check` shows what differs"
        )


@contextmanager
def region_states(settings: Settings, read: Callable[[int], None]) -> Iterator[Store]:
    """What this region's changelog holds of every user, in a scratch store."""
    with changelog.scratch("this region") as store:
        for number, span in sorted(changelog.bounds(settings).items()):
            changelog.read_into(store, settings, number, span, read)
        yield store


def send(
    settings: Settings,
    states: Iterable[tuple[bytes, bytes]],
    known: Store,
    where: str,
    progress: Callable[[Joined], None] = lambda _: None,
    *,
    dry_run: bool = False,
) -> Joined:
    """Send (user_id, encoded state) where it would change something, or, `dry_run`, only count.
    Returns when the broker has them all. Raises BackupError for a state that cannot be read,
    BrokerError.
    """
    done = Joined()
    folding = Folding(settings)
    with Sender(settings) as sender:
        for user, data in states:
            done.read += 1
            new = _news(user.decode(), data, known, where)
            if new is None:
                done.here += 1
            else:
                done.sent += 1
                if not dry_run:
                    sender.send(STATE_JOINS.name, user, new, [])
                if not dry_run and done.sent % _LOOK_EVERY == 0:
                    folding.keep_near(sender)
            if done.read % _LOOK_EVERY == 0:
                progress(done)
    progress(done)
    return done


def wait(settings: Settings, left: Callable[[int], None] = lambda _: None) -> None:
    """Returns when workers have folded every join that is there now; `left` is told how many are
    not. Raises BackupError where no worker takes a step for two minutes.
    """
    with closing(broker.reader(settings)) as consumer:
        starts = broker.partitions(consumer, [STATE_JOINS.name])
        ends = {part.partition: part.offset for part in broker.ends(consumer, [STATE_JOINS.name])}
    wanted = {part.partition: ends[part.partition] for part in starts
              if ends[part.partition] > part.offset}  # fmt: skip
    folding = Folding(settings)
    if not folding.reach(wanted, 0, _WAIT_S, left):
        raise BackupError(
            f"{folding.behind(wanted)} records of {STATE_JOINS.name} wait and no worker took any"
            f" for {_WAIT_S:.0f} s; `tidemill status` shows whether workers run"
        )


class Folding:
    """How far the workers are with the joins, by the positions they commit."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._id = positions.topic_ids(settings, [STATE_JOINS.name])[STATE_JOINS.name]
        self._is_attended = True

    def behind(self, ends: dict[int, int]) -> int:
        """Records before these offsets, by partition, that are not folded yet."""

        def left(partition: int) -> int:
            folded = positions.last(self._settings, partition).offsets.get(self._id, 0)
            return max(0, ends[partition] - folded)

        with ThreadPoolExecutor(max_workers=4) as pool:
            return sum(pool.map(left, ends))

    def keep_near(self, sender: Sender) -> None:
        """Returns when the workers are near, or when there are none."""
        sender.finish()  # what is not acknowledged has no offset yet and would not count
        ends = {n: end for (topic, n), end in sender.behind.items() if topic == STATE_JOINS.name}
        patience_s = _NOBODY_S if self._is_attended else 0.0
        self._is_attended = self.reach(ends, AHEAD, patience_s, lambda _: sender.poll(0))

    def reach(
        self, ends: dict[int, int], near: int, patience_s: float, left: Callable[[int], None]
    ) -> bool:
        """Whether at most `near` records are left, waited for as long as steps are seen."""
        fewest, seen_s = None, time.monotonic()
        while (now := self.behind(ends)) > near:
            left(now)
            if fewest is None or now < fewest:
                fewest, seen_s = now, time.monotonic()
            elif time.monotonic() - seen_s > patience_s:
                return False
            time.sleep(_LOOK_S)
        left(0)
        return True


def _news(user_id: str, data: bytes, known: Store, where: str) -> bytes | None:
    """The state as it is to be joined; None where that would change nothing here."""
    here = known.state(user_id)
    if here == data:
        return None
    theirs = decoded(user_id, data, where)
    ours = EMPTY if here is None else UserState.decode(here)
    return None if join(ours, theirs) == ours else data
