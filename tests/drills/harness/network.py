"""Places with a network of their own, and ways between them that can be cut without a word: what is
sent there arrives nowhere, and nobody is told. A closed port looks otherwise, and so does a process
that is stopped.

A place is a network namespace with one address; a veth pair joins it to each other place. While
they are there, this process is in one of them, `PEOPLE`. The machine's own network is not touched,
and no namespace has a name: this process holds them by open files, and who runs in them. When those
have ended, however they did, nothing is left. Used by `cutting`.
"""

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

PEOPLE = "people"
"""Who reaches every place: the load, the readers, the checker."""
_LIBC = ctypes.CDLL(None, use_errno=True)
_NETWORK = 0x40000000
"""CLONE_NEWNET."""
_IP = shutil.which("ip", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
_LOST = 100
"""The routing table by which everything is lost."""
_OWN_ROOT = ("unshare", "--user", "--map-root-user", "--net", "--")
_WITH_LOOPBACK = ("sh", "-c", 'PATH="$PATH:/usr/sbin:/sbin" ip link set lo up; exec "$@"', "sh")


class NoNetworkError(Exception):
    """No place can have a network of its own here; it says why."""


class Network:
    """`PEOPLE` and these places. Raises NoNetworkError."""

    def __init__(self, *places: str) -> None:
        self._homes: dict[str, int] = {}
        """Open files: a namespace lives as long as somebody has it open, or is in it."""
        self._addresses = {
            place: f"10.0.0.{n}" for n, place in enumerate((PEOPLE, *places), start=1)
        }
        self._asked: set[tuple[str, str, int]] = set()
        self._before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            for place in self._addresses:
                self._homes[place] = _alone(_new_namespace)
                self._ip(place, *_furnished(self._addresses[place]))
            for one, other in combinations(self._addresses, 2):
                self._join(one, other)
            _enter(self._homes[PEOPLE])
        except OSError as error:
            self._forget()
            raise NoNetworkError(f"no network of one's own: {error}") from error

    def close(self) -> None:
        """Back to where this process was."""
        _enter(self._before)
        self._forget()

    def address(self, place: str) -> str:
        """The one by which all others reach it."""
        return self._addresses[place]

    def within(self, place: str, call: Callable[[], T]) -> T:
        """Call it there; the processes, clients and threads that it starts stay there."""

        def called() -> T:
            _enter(self._homes[place])
            return call()

        return _alone(called)

    def lose(self, sender: str, receiver: str) -> None:
        """Every packet from the sender to the receiver; the other way they still pass."""
        self._ip(sender, self._route(sender, receiver, "void"))

    def lose_asked(self, asker: str, asked: str, port: int) -> None:
        """What the asker sends to that port there: it can ask nothing any more. Its answers to what
        it is asked itself still pass, as through a firewall that somebody got wrong.
        """
        self._asked.add((asker, asked, port))
        self._ip(asker, self._rule("add", asked, port))

    def cut(self, one: str, other: str) -> None:
        """Every packet, both ways."""
        self.lose(one, other)
        self.lose(other, one)

    def heal(self, one: str, other: str) -> None:
        for sender, receiver in ((one, other), (other, one)):
            self._ip(sender, self._route(sender, receiver, f"to-{receiver}"))
        for asker, asked, port in sorted(self._asked):
            if {asker, asked} == {one, other}:
                self._asked.discard((asker, asked, port))
                self._ip(asker, self._rule("del", asked, port))

    def _forget(self) -> None:
        for home in (*self._homes.values(), self._before):
            os.close(home)

    def _join(self, one: str, other: str) -> None:
        there = f"/proc/{os.getpid()}/fd/{self._homes[other]}"
        self._ip(one, f"link add to-{other} type veth peer name to-{one} netns {there}")
        for place, peer in ((one, other), (other, one)):
            self._ip(place, f"link set to-{peer} up", self._route(place, peer, f"to-{peer}"))

    def _route(self, place: str, to: str, device: str) -> str:
        return f"route replace {self.address(to)} dev {device} src {self.address(place)}"

    def _rule(self, verb: str, asked: str, port: int) -> str:
        return f"rule {verb} to {self.address(asked)} ipproto tcp dport {port} table {_LOST}"

    def _ip(self, place: str, *lines: str) -> None:
        self.within(place, lambda: _ip(lines))


@cache
def refusal() -> str:
    """Why no place can have a network of its own here, as found by trying; empty where it can."""
    try:
        Network("one", "other").close()
    except NoNetworkError as error:
        return str(error)
    return ""


def take_rights(tell: Callable[[str], None]) -> None:
    """Where only root may have such networks, and everybody may be root in a namespace of users:
    this command begins anew in one. Call it before anything was started; it returns if there is no
    need, or no way.
    """
    if not refusal():
        return
    with suppress(OSError):  # there is no `unshare`
        if os.geteuid() != 0 and not subprocess.call([*_OWN_ROOT, "true"]):
            tell("not root: everything runs in a namespace of users, where we are")
            os.execvp(_OWN_ROOT[0], [*_OWN_ROOT, *_WITH_LOOPBACK, *sys.orig_argv])
    tell(f"{refusal()}: links are cut by stopped mirrors and closed ports")


def _furnished(address: str) -> Sequence[str]:
    """Into `void` everything is sent, as over a wire that ends somewhere: a packet that carries the
    address of no card is dropped behind it.
    """
    return (
        "link set lo up",
        f"address add {address}/32 dev lo",
        "link add void type veth peer name wall",
        "link set void arp off",
        "link set void up",
        "link set wall up",
        f"route add default dev void src {address} table {_LOST}",
    )


def _new_namespace() -> int:
    if _LIBC.unshare(_NETWORK) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    for name in ("all", "default"):  # else an answer that may not go back is not let in either
        with suppress(OSError):
            Path(f"/proc/sys/net/ipv4/conf/{name}/rp_filter").write_text("0")
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY)


def _enter(home: int) -> None:
    """For this thread, and for what it starts from now on."""
    if _LIBC.setns(home, _NETWORK) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _alone(call: Callable[[], T]) -> T:
    """In a thread of its own: no other one moves with it."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()


def _ip(lines: Sequence[str]) -> None:
    if _IP is None:
        raise OSError("there is no `ip` (iproute2)")
    done = subprocess.run(
        [_IP, "-batch", "-"], input="\n".join(lines), text=True, capture_output=True, check=False
    )
    if done.returncode != 0:
        raise OSError(f"ip {lines}: {done.stderr.strip()}")
