"""`tidemill region join`: the states of a peer with a Kafka of its own, read from its changelog and
joined into this region while both work.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from infra import topics
from infra.backup.peers import join_from
from infra.backup.problems import BackupError
from infra.local import kafka as kafka_server
from infra.local import ports, supervisor
from infra.local.home import Home
from schemas.state import EMPTY, MARKER_KEY, Marker
from schemas.topics import STATE_CHANGELOG, STATE_JOINS
from streams.settings import Settings
from streams.state.join import join
from tests.infra.command import document, failed
from tests.servers.conftest import PARTITIONS, RunningKafka
from tests.servers.states import USERS, _read, changelog, flushed, folded, in_changelog, send, stock
from tests.servers.workers import Worker, own, produce, until

Start = Callable[..., Worker]
PEER_PARTITIONS = 4


@pytest.fixture(scope="module")
def peer_kafka(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningKafka]:
    home = Home(tmp_path_factory.mktemp("peer"), tools)
    port = ports.free_port()
    description = kafka_server.Kafka(port, ports.free_port(frozenset([port])))
    running = RunningKafka(home, kafka_server.server(home, description), description.bootstrap)
    running.start()
    yield running
    supervisor.stop(home.run)


@pytest.fixture
def peer(peer_kafka: RunningKafka) -> str:
    """A region with another number of partitions."""
    topics.recreate(peer_kafka.bootstrap, PEER_PARTITIONS, "west")
    own(peer_kafka.bootstrap, "west", 1)
    stock(peer_kafka.bootstrap)
    return peer_kafka.bootstrap


@pytest.fixture
def here(fresh_kafka: RunningKafka) -> str:
    own(fresh_kafka.bootstrap)
    stock(fresh_kafka.bootstrap)
    return fresh_kafka.bootstrap


def test_a_peers_states_are_joined_and_a_second_time_changes_nothing(
    peer: str, here: str, start_worker: Start, tmp_path: Path, tools: Path
) -> None:
    start_worker(flush_s=0.5)
    start_worker(
        kafka=peer, region="west", region_number=1, partitions=PEER_PARTITIONS, flush_s=0.5
    )
    send(here, 300, seed=1, users=USERS[:25])
    send(peer, 300, seed=2, users=USERS[15:])
    until("the peer has flushed", lambda: in_changelog(peer).keys() == set(USERS[15:]))
    flushed(here)
    ours, theirs = in_changelog(here), in_changelog(peer)
    given = {"TIDEMILL_KAFKA": here, "TIDEMILL_TOOLS": str(tools)}
    call = ("region", "join", "--from", peer, "--wait")
    would = document(tmp_path, *call, "--dry-run", **given)
    assert would["dry_run"]
    assert would["states"] == {"read": 25, "sent": 25, "here": 0, "waited": False}
    assert not _read(here, STATE_JOINS.name)
    done = document(tmp_path, *call, **given)
    assert done["states"] == {"read": 25, "sent": 25, "here": 0, "waited": True}
    expected = {u: join(ours.get(u, EMPTY), theirs.get(u, EMPTY)) for u in USERS}
    until("they are in the changelog", lambda: in_changelog(here) == expected)
    assert folded(here) == expected
    before = changelog(here)
    again = document(tmp_path, *call, **given)
    assert again["states"] == {"read": 25, "sent": 0, "here": 25, "waited": True}
    assert len(_read(here, STATE_JOINS.name)) == 25
    assert changelog(here) == before
    assert in_changelog(peer) == theirs, "a peer is only read from"


def test_a_region_is_no_peer_of_itself(here: str, tmp_path: Path) -> None:
    said = failed(tmp_path, "region", "join", "--from", here, TIDEMILL_KAFKA=here)
    assert "is this region's own Kafka" in said


def test_a_peer_that_does_not_answer_is_told(here: str, tmp_path: Path) -> None:
    said = failed(tmp_path, "region", "join", "--from", "127.0.0.1:1", TIDEMILL_KAFKA=here)
    assert "127.0.0.1:1 does not answer" in said


def test_a_peer_of_another_fold_is_refused(peer: str, here: str) -> None:
    marker = msgspec.json.encode(Marker(fold=9, changelog="id", offsets={}))
    produce(peer, STATE_CHANGELOG.name, marker, key=MARKER_KEY.decode())
    with pytest.raises(BackupError, match="fold 9"):
        join_from(Settings(kafka=here, partitions=PARTITIONS), peer)
    assert not _read(here, STATE_JOINS.name)


def test_a_peer_with_states_of_another_format_is_refused(peer: str, here: str) -> None:
    produce(peer, STATE_CHANGELOG.name, b"\x63" + bytes(25), key="Ukim")
    with pytest.raises(BackupError, match=r"kim.*format 99 is not known"):
        join_from(Settings(kafka=here, partitions=PARTITIONS), peer)
    assert not _read(here, STATE_JOINS.name)
