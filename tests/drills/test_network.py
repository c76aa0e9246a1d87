"""Ways that are cut lose what is sent into them, and nobody is told."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from tests.drills.harness import network
from tests.drills.harness.network import PEOPLE, Network, NoNetworkError

PORT = 9092
_SOON_S = 0.5
_LATE_S = 30.0
"""Behind a cut, the next try of what was lost comes late."""


@pytest.fixture
def places() -> Iterator[Network]:
    if why := network.refusal():  # nothing to test but that it is told
        with pytest.raises(NoNetworkError, match="no network of one's own"):
            Network("east", "west")
        pytest.xfail(why)
    made = Network("east", "west")
    try:
        yield made
    finally:
        made.close()


@contextmanager
def echo(places: Network, place: str) -> Iterator[None]:
    """Somebody there who says again what he is told, once to each who comes."""
    server = places.within(place, lambda: socket.create_server((places.address(place), PORT)))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=_repeat, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


def _repeat(connection: socket.socket) -> None:
    with closing(connection), suppress(OSError):  # the cut may outlast what TCP tries again
        while said := connection.recv(100):
            connection.sendall(said)


def connected(places: Network, asker: str, asked: str, within_s: float = _LATE_S) -> socket.socket:
    where = (places.address(asked), PORT)
    return places.within(asker, lambda: socket.create_connection(where, within_s))


def says(connection: socket.socket, what: bytes, within_s: float = _LATE_S) -> bytes:
    connection.settimeout(within_s)
    connection.sendall(what)
    return connection.recv(100)


def test_a_cut_is_silent_and_what_was_sent_arrives_when_it_heals(places: Network) -> None:
    with echo(places, "east"), closing(connected(places, "west", "east")) as old:
        assert says(old, b"before") == b"before"
        places.cut("east", "west")
        with pytest.raises(TimeoutError):
            says(old, b"during", _SOON_S)
        with pytest.raises(TimeoutError):
            connected(places, "west", "east", _SOON_S)
        with closing(connected(places, PEOPLE, "east")) as other:
            assert says(other, b"people") == b"people"
        places.heal("east", "west")
        old.settimeout(_LATE_S)
        assert old.recv(100) == b"during"
        connected(places, "west", "east").close()


def test_packets_of_one_way_are_lost_and_the_others_arrive(places: Network) -> None:
    with echo(places, "east"), closing(connected(places, "west", "east")) as old:
        places.lose("east", "west")
        heard = places.within("east", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        heard.bind((places.address("east"), PORT))
        sender = places.within("west", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        with closing(heard), closing(sender):
            sender.sendto(b"one way", (places.address("east"), PORT))
            heard.settimeout(_LATE_S)
            said, back = heard.recvfrom(100)
            assert said == b"one way"
            heard.sendto(b"the other", back)
            sender.settimeout(_SOON_S)
            with pytest.raises(TimeoutError):
                sender.recv(100)
        with pytest.raises(TimeoutError):
            says(old, b"a word", _SOON_S)


def test_a_place_that_can_ask_nothing_still_answers(places: Network) -> None:
    with echo(places, "east"), echo(places, "west"):
        places.lose_asked("west", "east", PORT)
        with pytest.raises(TimeoutError):
            connected(places, "west", "east", _SOON_S)
        with closing(connected(places, "east", "west")) as asking:
            assert says(asking, b"a question") == b"a question"
        places.heal("west", "east")
        connected(places, "west", "east").close()


def test_this_process_is_back_in_its_own_network_behind_it() -> None:
    before = Path("/proc/thread-self/ns/net").readlink()
    if not network.refusal():
        made = Network("east")
        assert Path("/proc/thread-self/ns/net").readlink() != before
        made.close()
    assert Path("/proc/thread-self/ns/net").readlink() == before
