"""Releases while people go on asking: nobody is without an answer, and no answer is a fallback.

The commands' own functions on real servers: Kafka, Triton under explicit control, two workers that
are never restarted.
"""

import hashlib
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Self

import msgspec
import pytest
from tritonclient import grpc

from inference import arrays, releases
from inference.errors import InferenceError, ReleaseError
from inference.releases.golden import read
from inference.training import train
from infra import control
from infra import releases as commands
from infra.local.home import Home
from schemas.recommendations import Recommendation
from schemas.releases import GOLDEN, MANIFEST, Manifest
from schemas.releases import ITEMS as TABLE
from schemas.serving import ITEMS, MODEL
from schemas.topics import ITEM_UPDATES, RECOMMENDATIONS, USER_EVENTS
from streams.catalogue.releases import Releases
from streams.settings import Settings
from tests.inference.logs import chains
from tests.servers.conftest import PARTITIONS, RunningKafka, RunningTriton
from tests.servers.workers import Log, Worker, event, item, own, produce, recommendations, until
from tests.streams.control_copies import copy_of

FILMS = 40
DEADLINE_MS = 30_000
"""Long: what is tested is that a version always answers, on cores that others keep busy."""
_EVERY_S = 0.2


class Crowd:
    """A new person clicks now and then, each once; nobody's ask is answered by a newer one."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self.asked: list[str] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._click)

    def _click(self) -> None:
        while not self._stopping.wait(_EVERY_S):
            number = len(self.asked)
            name = f"person-{number}"
            value = event(f"click-{number}", user_id=name, item_id=f"i{number % FILMS}")
            produce(
                self._bootstrap, USER_EVENTS.name, value, key=name, partitioner="murmur2_random"
            )
            self.asked.append(f"click-{number}")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()


class Region:
    """Where releases are put into service; what was answered so far."""

    def __init__(self, settings: Settings, home: Home, crowd: Crowd, answers: Log) -> None:
        self.settings, self.home, self.crowd, self._answers = settings, home, crowd, answers

    def answered(self) -> list[Recommendation]:
        return list(recommendations(self._answers))

    def until_answered_by(self, *versions: str) -> None:
        """Who asks from now on is answered by each of these and by nobody else."""
        begin = len(self.crowd.asked)

        def settled() -> bool:
            number = {event_id: n for n, event_id in enumerate(self.crowd.asked)}
            late = sorted(
                (number[r.cause.event_id], r.model and r.model.version)
                for r in self.answered()
                if number.get(r.cause.event_id, -1) >= begin
            )
            newest = {version for _, version in late[-20:]}
            return len(late) >= 20 and newest == {*versions}

        until(f"answers by {versions}", settled, 240)


@pytest.fixture
def region(
    fresh_kafka: RunningKafka,
    triton: RunningTriton,
    start_worker: Callable[..., Worker],
    tmp_path: Path,
) -> Iterator[Region]:
    home = Home(
        triton.home.root,
        triton.home.tools,
        tmp_path / "releases",
        artifacts=f"file://{tmp_path}/store",
    )
    settings = Settings(
        kafka=fresh_kafka.bootstrap, partitions=PARTITIONS, triton=(triton.grpc_url,)
    )
    own(fresh_kafka.bootstrap)
    for number in range(FILMS):
        produce(fresh_kafka.bootstrap, ITEM_UPDATES.name, item(f"i{number}"), key=f"i{number}")
    for users in (60, 50, 40):
        releases.write(train(chains(users=users, items=FILMS, length=12)), home.releases, {})
    commands.publish(settings, home, home.releases / MODEL / "1")
    for _ in range(2):
        start_worker(triton=triton.grpc_url, score_deadline_ms=DEADLINE_MS)
    answers = Log(fresh_kafka.bootstrap, RECOMMENDATIONS.name)
    crowd = Crowd(fresh_kafka.bootstrap)
    with crowd:
        yield Region(settings, home, crowd, answers)
    answers.close()
    with closing(grpc.InferenceServerClient(triton.grpc_url)) as client:
        client.unload_model(MODEL)
    shutil.rmtree(triton.repository / MODEL)


def test_a_canary_a_promotion_a_rollback_and_bad_releases_cost_nobody_an_answer(
    region: Region,
) -> None:
    settings, home = region.settings, region.home
    region.until_answered_by("1")

    record = commands.publish(settings, home, home.releases / MODEL / "2", 0.5)
    region.until_answered_by("1", "2")
    split = Releases()
    split.apply(copy_of(record, key=MODEL))
    for found in region.answered():
        if found.model is not None and found.model.version == "2":
            assert split.version_for(MODEL, "east", found.user_id) == "2"
    commands.promote(settings, home, MODEL)
    region.until_answered_by("2")

    _spoil(home.releases / MODEL / "3" / TABLE)
    with pytest.raises(ReleaseError, match=r"items\.json: it was changed after the release"):
        commands.publish(settings, home, home.releases / MODEL / "3")
    wrong = _another_golden(home)
    with pytest.raises(InferenceError, match="does not reproduce"):
        commands.publish(settings, home, wrong)
    now = control.releases(settings).served(MODEL, settings.region)
    assert now is not None
    assert (now.version, now.before) == ("2", "1")
    region.until_answered_by("2")

    commands.roll_back(settings, home, MODEL)
    region.until_answered_by("1")

    asked = list(region.crowd.asked)
    until(
        "everybody has an answer",
        lambda: {*asked} <= {found.cause.event_id for found in region.answered()},
    )
    answers = region.answered()
    assert max(Counter(found.cause.event_id for found in answers).values()) == 1
    assert {found.fallback for found in answers} == {None}
    assert {found.model and found.model.version for found in answers} == {"1", "2"}
    listed = {one.version: one for one in commands.known(settings, home, MODEL)}
    assert [version for version, one in listed.items() if one.served] == ["1"]
    assert "items.json" in str(listed["3"].problem)


def _spoil(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def _another_golden(home: Home) -> Path:
    """A whole release, every hash right, whose golden outputs are another model's."""
    fitted = train(chains(users=30, items=FILMS, length=12))
    folder = releases.write(fitted, home.releases, {})
    inputs, outputs = read(folder / GOLDEN)
    outputs[ITEMS][0] = outputs[ITEMS][0, ::-1]
    content = arrays.encode(inputs | outputs)
    (folder / GOLDEN).write_bytes(content)
    manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    files = {**manifest.files, GOLDEN: hashlib.sha256(content).hexdigest()}
    (folder / MANIFEST).write_bytes(
        msgspec.json.encode(msgspec.structs.replace(manifest, files=files))
    )
    return folder
