"""How a drill cuts ways between the regions and who watches them from outside: by their networks
where each has one of its own, else by stand-ins that look alike to those who watch.
"""

from typing import Protocol

from infra.local import mirror
from tests.drills.harness.network import Network, refusal
from tests.drills.harness.two import Two
from tests.servers.probers import NOBODY, Probers


class Cuts(Protocol):
    """Places are the regions and `outside`. What is healed is all between the two."""

    by: str
    """For who reads the report."""

    def cut(self, one: str, other: str) -> None:
        """Nothing passes, either way."""

    def lose(self, sender: str, receiver: str) -> None:
        """No packet passes that way."""

    def deafen(self, asker: str, asked: str) -> None:
        """What the one asks the other's Kafka gets lost; what it is asked itself does not."""

    def heal(self, one: str, other: str) -> None: ...


def cutting(two: Two, probers: Probers | None = None) -> Cuts:
    if two.network is not None:
        return _Real(two, two.network)
    return _StandIns(two, probers)


class _Real:
    by = "network namespaces: what is sent is lost, and nobody is told"

    def __init__(self, two: Two, network: Network) -> None:
        self._regions = two.regions
        self.cut, self.lose, self.heal = network.cut, network.lose, network.heal
        self._lose_asked = network.lose_asked

    def deafen(self, asker: str, asked: str) -> None:
        port = int(self._regions[asked].bootstrap.rpartition(":")[2])
        self._lose_asked(asker, asked, port)


class _StandIns:
    """A mirror that sleeps keeps its connections, and a prober that looks where nobody listens is
    refused at once; packets of one way alone cannot be lost so, and all that both ask is.
    """

    def __init__(self, two: Two, probers: Probers | None) -> None:
        self.by = f"SIGSTOP of MirrorMakers and closed ports, for there is {refusal()}"
        self._regions, self._probers = two.regions, probers
        self._cut: set[frozenset[str]] = set()

    def cut(self, one: str, other: str) -> None:
        self._cut.add(frozenset((one, other)))
        for name in (one, other):
            self.deafen(name, other if name == one else one)

    def lose(self, sender: str, receiver: str) -> None:
        self.cut(sender, receiver)

    def deafen(self, asker: str, asked: str) -> None:
        if asker in self._regions and asked in self._regions:
            self._regions[asker].pause(mirror.NAME)
        self._look(asker)

    def heal(self, one: str, other: str) -> None:
        self._cut.discard(frozenset((one, other)))
        for name in (one, other):
            if {one, other} <= self._regions.keys():
                self._regions[name].resume(mirror.NAME)
            self._look(name)

    def _look(self, name: str) -> None:
        """Its prober looks for nobody to whom its way is cut."""
        if self._probers is not None and name in self._probers:
            cut_off = [r for r in self._regions if frozenset((name, r)) in self._cut]
            self._probers.again(name, **dict.fromkeys(cut_off, NOBODY))
