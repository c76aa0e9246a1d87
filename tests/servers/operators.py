"""Two shops, one in each region, and the people who move an origin from one to the other.

A shop is a region that owns itself, sells the same items and has one worker. An operator calls the
real command line for his region, in this process, or in one that dies where a test wants.
"""

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import psutil
from confluent_kafka import Producer
from typer.testing import Result

from infra import control
from infra.failover.journal import Entry, Journal
from infra.local import supervisor
from infra.local.supervisor import records
from schemas.control import Ownership
from schemas.recommendations import AnswerHeaders
from schemas.topics import RECOMMENDATIONS, REGION_OWNERSHIP, USER_EVENTS
from streams.region.valid import valid
from streams.topology import copies
from tests.infra.command import called, environment
from tests.servers.pair import Pair, Region
from tests.servers.states import stock
from tests.servers.workers import CHECKOUT, DEADLINE_S, Worker, event, own, until

SLICES = 2
DIGESTS = {"digest_s": 0.5, "digest_slices": SLICES}
"""A full rotation takes a second."""
DYING = "tests.servers.dying_command"
PEOPLE = [f"person-{number}" for number in range(40)]
_PLACED = {"partitioner": "murmur2_random", "linger.ms": 0}
_BETWEEN_S = 0.1
"""Between two asks."""


@dataclass
class Shop:
    """A region with its worker and its operator."""

    region: Region
    peer: Region
    worker: Worker
    home: Path
    slices: int = SLICES

    @property
    def name(self) -> str:
        return self.region.name

    @property
    def settings(self) -> dict[str, str]:
        given = {
            "kafka": self.region.bootstrap, "region": self.name, "peers": self.peer.name,
            "region_number": self.region.settings.region_number,
            "partitions": self.region.settings.partitions,
            **DIGESTS, "digest_slices": self.slices,
        }  # fmt: skip
        return {f"TIDEMILL_{name.upper()}": str(value) for name, value in given.items()}

    def tidemill(self, *arguments: str, peer: str = "") -> Result:
        return called(self.home, *self._arguments(arguments, peer), **self.settings)

    def does(self, *arguments: str, **more: str) -> Any:
        """What a command that must succeed answers."""
        answer = self.tidemill(*arguments, "--json", **more)
        assert answer.exit_code == 0, answer.stdout + answer.stderr
        return json.loads(answer.stdout)

    def is_refused(self, *arguments: str, **more: str) -> str:
        """The one line that says why."""
        answer = self.tidemill(*arguments, **more)
        assert answer.exit_code == 1, answer.stdout + answer.stderr
        (line,) = answer.stderr.splitlines()
        return line

    def begins(self, signal_: str, place: str, nth: int, *arguments: str) -> "Command":
        """In a process of its own that gets the signal there."""
        return subprocess.Popen(
            [sys.executable, "-m", DYING, signal_, place, str(nth), *self._arguments(arguments)],
            cwd=CHECKOUT, env=environment(self.home, **self.settings), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def dies(self, place: str, nth: int, *arguments: str) -> None:
        command = self.begins("SIGKILL", place, nth, *arguments)
        out, err = command.communicate(timeout=DEADLINE_S)
        assert command.returncode == -9, out + err

    def journal(self, origin: str = "east") -> Entry | None:
        return Journal(self.home, origin).read()

    def knows(self, origin: str = "east") -> Ownership:
        return control.ownerships(self.region.settings).origins[origin]

    def written(self) -> list[Ownership]:
        """Every record of ownership that was written to this cluster."""
        return [
            msgspec.json.decode(record.value() or b"", type=Ownership)
            for record in self.region.records(REGION_OWNERSHIP.name)
        ]

    def broker(self) -> psutil.Process:
        record = records.read(self.region.home.run, self.region.kafka.name)
        process = record.process() if record else None
        assert process is not None
        return process

    def kill_broker(self) -> None:
        process = self.broker()
        process.kill()
        psutil.wait_procs([process], timeout=DEADLINE_S)

    def start_broker(self) -> None:
        supervisor.start(self.region.home, [self.region.kafka])

    def _arguments(self, given: tuple[str, ...], peer: str = "") -> list[str]:
        address = peer or self.peer.bootstrap
        return ["region", *given, "--peer", f"{self.peer.name}={address}"]


Command = subprocess.Popen[str]
Shops = Mapping[str, Shop]


def opened(pair: Pair, folder: Path) -> Iterator[Shops]:
    for number, region in enumerate(pair.values()):
        own(region.bootstrap, region.name, number)
        stock(region.bootstrap)
    for region in pair.values():
        until(
            f"{region.name} knows both owners",
            lambda region=region: len(control.ownerships(region.settings).origins) == 2,
        )
    shops = {
        region.name: Shop(
            region, pair[region.peer],
            worker(region, folder / f"{region.name}.log", **DIGESTS).start(),
            folder / region.name,
        )
        for region in pair.values()
    }  # fmt: skip
    yield shops
    for shop in shops.values():
        shop.worker.stop()


def worker(region: Region, log: Path, **more: object) -> Worker:
    settings = region.settings
    given = {
        "kafka": settings.kafka, "region": settings.region, "partitions": settings.partitions,
        "region_number": settings.region_number, "peers": ",".join(settings.peers),
        "triton": "127.0.0.1:1", "flush_s": 0.5, **more,
    }  # fmt: skip
    return Worker("recommend", log, given)


def owned_by(shops: Shops, name: str, origin: str = "east") -> Ownership:
    """Both regions are there, and know that this one owns the origin."""
    shop = shops[name]
    shop.does("promote", origin, "--force", "the next test", "--wait-peer")
    return shop.knows(origin)


def answers(shop: Shop) -> list[tuple[str, int, AnswerHeaders]]:
    """(event id, partition, headers) of all recommendations there, own and mirrored."""
    found = []
    for topic in copies(RECOMMENDATIONS, shop.region.settings.peers):
        for record in shop.region.records(topic):
            headers = AnswerHeaders.decode(record.headers() or [])
            found.append((headers.cause.event_id, record.partition(), headers))
    return found


def validly_answered(shop: Shop, name: str) -> Counter[str]:
    """Event id -> its valid answers, of the asks whose ids begin with the name."""
    record = shop.knows()
    return Counter(
        event_id
        for event_id, partition, headers in answers(shop)
        if event_id.startswith(f"{name}-") and valid(headers, partition, record)
    )


def all_answered(shop: Shop, name: str, count: int = len(PEOPLE)) -> None:
    """Each ask of this name once, as a reader counts."""
    until(f"{count} answers to {name}", lambda: len(validly_answered(shop, name)) == count)
    assert set(validly_answered(shop, name).values()) == {1}


def crossed(shop: Shop, name: str) -> int:
    """Events of this name that came from the peer."""
    marked = f'"{name}-'.encode()
    records = shop.region.records(shop.region.copy_of(USER_EVENTS))
    return sum(marked in (record.value() or b"") for record in records)


class Asking:
    """Somebody new asks at a shop, again and again, until it is stopped."""

    def __init__(self, shop: Shop, name: str) -> None:
        self._producer = Producer({"bootstrap.servers": shop.region.bootstrap, **_PLACED})
        self._name = name
        self._stopping = threading.Event()
        self._failed: list[object] = []
        self.sent = 0
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def more(self, count: int) -> None:
        """Returns when so many more have asked."""
        wanted = self.sent + count
        until("more ask", lambda: self.sent >= wanted)

    def stop(self) -> int:
        """How many have asked; every ask is acknowledged."""
        self._stopping.set()
        self._thread.join()
        assert self._producer.flush(DEADLINE_S) == 0
        assert not self._failed
        return self.sent

    def _ask(self) -> None:
        while not self._stopping.wait(_BETWEEN_S):
            user = f"{self._name}-{self.sent}"
            self._producer.produce(
                USER_EVENTS.name, event(user, user, "request", item_id=None), user,
                on_delivery=lambda error, _: self._failed.append(error) if error else None,
            )  # fmt: skip
            self.sent += 1
            self._producer.poll(0)
