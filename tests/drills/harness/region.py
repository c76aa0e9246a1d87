"""One region of a drill: its servers, its workers, and the ways in which all of it can fail.

It lies where `tidemill up --regions` would put it, so that the real commands find it.
"""

import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil

from infra.local import supervisor
from infra.local.home import Home
from infra.local.supervisor import Server, records
from schemas.topics import Topic, mirrored_name
from streams.settings import Settings
from tests.drills.harness.crew import Crew, Member
from tests.drills.harness.network import Network
from tests.infra.command import tidemill

T = TypeVar("T")


@dataclass(eq=False)
class Region:
    """`servers` by name, in the order in which they are started; `given` goes to every worker and
    command, `clients` only to workers.
    """

    machine: Path
    home: Home
    settings: Settings
    servers: dict[str, Server]
    given: dict[str, Any]
    clients: dict[str, Any] = field(default_factory=dict)
    crews: list[Crew] = field(default_factory=list)
    is_dead: bool = False
    """Nobody need ask it."""
    network: Network | None = None
    """In which it has a place, if it has one."""

    @property
    def name(self) -> str:
        return self.settings.region

    @property
    def peer(self) -> str:
        return self.settings.peers[0]

    @property
    def bootstrap(self) -> str:
        return self.settings.kafka

    def copy_of(self, topic: Topic) -> str:
        """The name here of the peer's topic."""
        return mirrored_name(self.peer, topic)

    def within(self, call: Callable[[], T]) -> T:
        """At its place in the network: what is started there stays there."""
        return call() if self.network is None else self.network.within(self.name, call)

    def crew(self, count: int = 1, stage: str = "recommend", **more: object) -> Crew:
        folder = self.home.root / "workers"
        folder.mkdir(parents=True, exist_ok=True)
        given = {**self.given, **self.clients, "kafka": self.bootstrap, **more}
        made = Crew(folder, given, stage, self.within)
        self.crews.append(made)
        made.add(count)
        return made

    def start(self, *names: str) -> None:
        self.is_dead = False
        self.within(lambda: supervisor.start(self.home, [self.servers[name] for name in names]))

    def stop(self, *names: str) -> None:
        supervisor.stop(self.home.run, names or None)

    def kill(self, *names: str) -> None:
        """SIGKILL to servers; nothing is flushed, closed or said."""
        family = self._family(*names)
        for process in family:
            process.kill()
        psutil.wait_procs(family, timeout=30)
        self.stop(*names)

    def pause(self, *names: str) -> None:
        """SIGSTOP: they keep their connections and answer nothing."""
        for process in self._family(*names):
            process.suspend()

    def resume(self, *names: str) -> None:
        for process in reversed(self._family(*names)):
            process.resume()

    def die(self) -> float:
        """All of it at once, without warning: broker, mirror, workers, and what else there is. When
        its servers were gone, by the monotonic clock.
        """
        members = self._members()
        self.is_dead = True
        for crew in self.crews:
            crew.forget()
        family = self._family(*self.servers)
        for process in family:
            process.kill()
        for member in members:
            member.worker.kill()
        psutil.wait_procs(family, timeout=30)
        gone_s = time.monotonic()
        self.stop()
        return gone_s

    def freeze(self) -> float:
        """SIGSTOP to all of it: to everybody else it is dead, to itself no time passes. When it
        slept, by the monotonic clock.
        """
        self.is_dead = True
        for member in self._members():
            member.worker.signal(signal.SIGSTOP)
        self.pause(*self.servers)
        return time.monotonic()

    def thaw(self, *but: str) -> None:
        """All but these servers."""
        self.is_dead = False
        self.resume(*(name for name in self.servers if name not in but))
        for member in self._members():
            member.worker.signal(signal.SIGCONT)

    def start_workers(self) -> None:
        for crew in self.crews:
            for member in crew.members:
                if not member.is_running:
                    crew.start(member)

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """`tidemill` as somebody in this region calls it."""
        settings = {f"TIDEMILL_{name.upper()}": str(value) for name, value in self.given.items()}
        settings |= {"TIDEMILL_TOOLS": str(self.home.tools)}
        return self.within(lambda: tidemill(self.machine, *arguments, **settings))

    def wipe(self) -> None:
        """A new machine: stopped, and its disks empty."""
        subprocess.run(["rm", "-rf", str(self.home.data)], check=True)
        for crew in self.crews:
            for member in crew.members:
                member.wipe()

    def _members(self) -> list[Member]:
        return [m for crew in self.crews for m in crew.members if m.is_running]

    def _family(self, *names: str) -> list[psutil.Process]:
        family: list[psutil.Process] = []
        for name in names:
            record = records.read(self.home.run, name)
            process = record.process() if record else None
            if process is not None:
                family += [process, *process.children(recursive=True)]
        return family
