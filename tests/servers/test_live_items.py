"""An item that comes after the release is recommended by its text within seconds, and goes as fast.

Under load, with two workers and two Tritons, one of which dies and comes back in between.
"""

import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tritonclient import grpc

from inference import releases
from inference.training import train
from infra import control
from infra import releases as commands
from infra.local.home import Home
from schemas.recommendations import Recommendation
from schemas.serving import ENCODER, MODEL
from schemas.topics import ITEM_UPDATES, ITEM_VECTORS, RECOMMENDATIONS, USER_EVENTS
from streams.catalogue.vectors import NO_VECTORS, Vectors, Version
from streams.settings import Settings
from streams.slate.new_items import SOURCE
from tests.inference.logs import described_chains
from tests.servers.conftest import PARTITIONS, RunningKafka, RunningTriton
from tests.servers.workers import Log, Worker, event, item, own, produce, recommendations, until
from tests.streams.control_copies import copy_of

FILMS = 40
SERVED = Version(MODEL, "1")
DEADLINE_MS = 30_000
"""Long: what is tested is what a slate holds, on cores that others keep busy."""
_EVERY_S = 0.1


class Shop:
    """A new person clicks now and then, and is answered by whichever worker has the partition."""

    def __init__(self, kafka: str, tritons: tuple[str, ...], home: Home) -> None:
        self.kafka = kafka
        self.settings = Settings(kafka=kafka, partitions=PARTITIONS, triton=tritons)
        self.home = home
        self.answers = Log(kafka, RECOMMENDATIONS.name)
        self.asked: list[str] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._click)

    def _click(self) -> None:
        while not self._stopping.wait(_EVERY_S):
            number = len(self.asked)
            name = f"person-{number}"
            value = event(f"click-{number}", user_id=name, item_id=f"i{number % FILMS}")
            produce(self.kafka, USER_EVENTS.name, value, key=name, partitioner="murmur2_random")
            self.asked.append(f"click-{number}")

    def open(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        self.answers.close()

    def sell(self, item_id: str, **fields: object) -> float:
        """When it was said."""
        produce(self.kafka, ITEM_UPDATES.name, item(item_id, **fields), key=item_id)
        return time.monotonic()

    def newest(self) -> list[Recommendation]:
        """The newest slate of each partition, so of both workers; none before all have one."""
        found = {slate.read_from.partition: slate for slate in recommendations(self.answers)}
        return list(found.values()) if len(found) == PARTITIONS else []

    def shows(self, item_id: str) -> bool:
        """Whether it stands in each partition's newest slate."""
        return all(any(one.item_id == item_id for one in slate.items) for slate in self.newest())

    def hides(self, item_id: str) -> bool:
        return all(one.item_id != item_id for slate in self.newest() for one in slate.items)


@pytest.fixture
def shop(
    fresh_kafka: RunningKafka,
    triton: RunningTriton,
    second_triton: RunningTriton,
    start_worker: Callable[..., Worker],
    tmp_path: Path,
) -> Iterator[Shop]:
    home = Home(triton.home.root, triton.home.tools, tmp_path / "releases")
    tritons = triton.grpc_url, second_triton.grpc_url
    made = Shop(fresh_kafka.bootstrap, tritons, home)
    own(fresh_kafka.bootstrap)
    fitted = train(described_chains(users=60, items=FILMS, length=12), text="hashed")
    for number in range(FILMS):
        made.sell(f"i{number}")
    releases.write(fitted, home.releases, {})
    commands.publish(made.settings, home, home.releases / MODEL / "1")
    given = {"triton": ",".join(tritons), "score_deadline_ms": DEADLINE_MS}
    for stage in ("recommend", "recommend", "catalogue"):
        start_worker(stage, **given)
    made.open()
    yield made
    made.close()
    for server in (triton, second_triton):
        with closing(grpc.InferenceServerClient(server.grpc_url)) as client:
            client.unload_model(MODEL)
            client.unload_model(ENCODER)
    for model in (MODEL, ENCODER):
        shutil.rmtree(triton.repository / model)


def test_an_item_comes_by_its_text_and_goes_while_a_triton_dies(
    shop: Shop, second_triton: RunningTriton, record_property: Callable[[str, object], None]
) -> None:
    until("people of all partitions are answered", shop.newest)
    assert made_from(shop) == {NO_VECTORS}

    said = shop.sell("first", title="red violin trumpet garden")
    until("all are shown the first", lambda: shop.shows("first"))
    record_property("seconds_until_shown", time.monotonic() - said)
    slates = shop.newest()
    shown = [one for slate in slates for one in slate.items if one.item_id == "first"]
    assert {one.source for one in shown} == {SOURCE}
    assert made_from(shop) == {on_topic(shop).digest(SERVED)}

    second_triton.kill()
    said = shop.sell("first", title="First", available=False)
    until("nobody is shown the first", lambda: shop.hides("first"))
    record_property("seconds_until_gone", time.monotonic() - said)
    shop.sell("second", title="blue mower shampoo bow")
    until("all are shown the second", lambda: shop.shows("second"))

    second_triton.start()
    now = control.releases(shop.settings).served(MODEL, shop.settings.region)
    assert now is not None
    commands.bring_back(shop.settings, shop.home, MODEL, now)
    shop.sell("third", title="green nail violin")
    until("the third has a vector", lambda: "third" in on_topic(shop).text_hashes(SERVED))
    assert sorted(on_topic(shop).text_hashes(SERVED)) == ["second", "third"]
    both = on_topic(shop).digest(SERVED)
    until("all slates are made from both", lambda: made_from(shop) == {both})
    assert shop.hides("first")

    answers = list(recommendations(shop.answers))
    assert {slate.fallback for slate in answers} == {None}
    new = [[one for one in slate.items if one.source == SOURCE] for slate in answers]
    assert max(map(len, new)) == 1


def made_from(shop: Shop) -> set[str]:
    """The vectors that the newest slates were made from, all alike where all workers know all."""
    return {slate.made_from.vectors for slate in shop.newest()}


def on_topic(shop: Shop) -> Vectors:
    """What all workers will know; each vector was made once."""
    log = Log(shop.kafka, ITEM_VECTORS.name)
    found = Vectors(FILMS)
    made: Counter[bytes | None] = Counter()
    for record in log.read():
        found.apply(copy_of(record.value(), key=record.key(), topic=ITEM_VECTORS.name))
        made[record.key()] += record.value() is not None
    log.close()
    assert max(made.values()) == 1
    return found
