"""What a standby scores beside folding everything: a sample that is compared and never published.

Two real regions with a worker each and one Triton that serves a release to both.
"""

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from tritonclient import grpc

from inference import releases
from inference.training import train
from infra import control
from schemas.control import ModelRelease, SampledSlate, Served, StateDigest
from schemas.identifiers import recommendation_id
from schemas.recommendations import AnswerHeaders, Recommendation
from schemas.serving import MODEL
from schemas.topics import MODEL_RELEASES, RECOMMENDATIONS, REGION_OWNERSHIP, STATE_DIGESTS
from streams.region.parity import SlatesCompared, compare_slates, is_sampled
from streams.region.promotion import Fences, promoted
from tests.inference.logs import chains
from tests.servers.conftest import RunningTriton
from tests.servers.pair import REGIONS, Pair, Region
from tests.servers.states import ask, send, stock
from tests.servers.workers import Worker, own, until

USERS = [f"seen-{number}" for number in range(40)]
SHARE = 0.5
INSIDE = {user for user in USERS if is_sampled(user, SHARE)}
DEADLINE_MS = 5_000
"""Twenty times the default, for two slow, shared cores."""


@pytest.fixture(scope="module")
def shops(
    pair: Pair, triton: RunningTriton, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    """Each region owns itself, sells the same items, serves the same release and has one worker."""
    folder = tmp_path_factory.mktemp("sample")
    release = releases.write(train(chains()), folder / "releases", {})
    releases.install(release, triton.repository)
    releases.load(triton.grpc_url, [release.name])
    releases.check_golden(triton.grpc_url, release, release.name)
    for number, region in enumerate(pair.values()):
        own(region.bootstrap, region.name, number)
        stock(region.bootstrap)
    record = ModelRelease(
        model=MODEL,
        revision=1,
        region="east",
        url=f"file://{release.parent}/{{version}}",
        hash=releases.manifest_hash_of(release),
        served={name: Served(version=release.name) for name in REGIONS},
    )
    control.write(pair["east"].settings, MODEL_RELEASES, MODEL, record)
    for region in pair.values():
        until(f"{region.name} knows both owners", lambda r=region: len(_owned(r)) == 2)
    workers = [_worker(region, triton, folder / f"{region.name}.log") for region in pair.values()]
    try:
        for worker in workers:
            worker.start()
        yield pair
    finally:
        for worker in workers:
            worker.stop()
        with closing(grpc.InferenceServerClient(triton.grpc_url)) as client:
            client.unload_model(MODEL)
        shutil.rmtree(triton.repository / MODEL, ignore_errors=True)


def _worker(region: Region, triton: RunningTriton, log: Path) -> Worker:
    settings = region.settings
    given = {
        "kafka": settings.kafka, "region": settings.region, "partitions": settings.partitions,
        "region_number": settings.region_number, "peers": ",".join(settings.peers),
        "triton": triton.grpc_url, "score_deadline_ms": DEADLINE_MS, "flush_s": 0.5,
        "digest_s": 1, "digest_slices": 1, "sample_share": SHARE,
    }  # fmt: skip
    return Worker("recommend", log, given)


def _owned(region: Region) -> dict[str, int]:
    return {
        origin: record.epoch
        for origin, record in control.ownerships(region.settings).origins.items()
    }


def sampled(reader: Region, region: str) -> list[SampledSlate]:
    """What a region has published of its sample, as another one or itself can read it."""
    topic = STATE_DIGESTS.name if reader.name == region else reader.copy_of(STATE_DIGESTS)
    return [
        slate
        for record in reader.records(topic)
        for slate in msgspec.json.decode(record.value() or b"", type=StateDigest).slates
    ]


def published(region: Region) -> list[Recommendation]:
    return [
        msgspec.json.decode(record.value() or b"", type=Recommendation)
        for record in region.records(RECOMMENDATIONS.name)
    ]


def asked(shop: Region, name: str) -> dict[str, str]:
    """Everybody asks; recommendation id -> user."""
    ask(shop.bootstrap, name, USERS)
    return {recommendation_id(user, f"{name}-{user}", "main"): user for user in USERS}


def compared(owner: Region, standby: Region, name: str) -> SlatesCompared:
    """Everybody asks the owner and is answered; the sample of it, as the owner reads it."""
    asks = asked(owner, name)
    until(
        f"{owner.name} has answered",
        lambda: asks.keys() <= {one.recommendation_id for one in published(owner)},
    )
    wanted = {identity for identity, user in asks.items() if user in INSIDE}

    def mine() -> list[SampledSlate]:
        found = sampled(owner, standby.name)
        return [one for one in found if one.recommendation_id in asks]

    # What comes while a call is under way is left out, so not everybody need be there.
    until(
        f"{standby.name} has scored its sample",
        lambda: len(wanted & {one.recommendation_id for one in mine()}) >= len(wanted) / 2,
    )
    assert not asks.keys() & {one.recommendation_id for one in published(standby)}
    return compare_slates(mine(), published(owner))


def test_a_standby_makes_the_slates_that_the_owner_makes_and_publishes_none(shops: Pair) -> None:
    east, west = shops["east"], shops["west"]
    assert 0 < len(INSIDE) < len(USERS)
    send(east.bootstrap, 200, seed=1, users=USERS)
    for region in shops.values():
        region.processed()
    for turn in range(20):
        found = compared(east, west, f"turn-{turn}")
        assert not found.differing
        if found.comparable >= len(INSIDE) / 2:
            break
    assert found.comparable >= len(INSIDE) / 2, found
    assert found.comparable_share
    by_model = [one for one in sampled(west, "west") if one.fallback is None]
    assert by_model
    assert all(one.model is not None and one.items for one in by_model)


def test_a_standby_that_is_promoted_answers_everybody_and_the_other_samples(shops: Pair) -> None:
    east, west = shops["east"], shops["west"]
    before = control.ownerships(west.settings).origins["east"]
    fences = Fences(before)
    for one in west.records(west.copy_of(RECOMMENDATIONS)):
        fences.take(one.partition(), AnswerHeaders.decode(one.headers() or []))
    record = promoted(before, "west", 1, fences.newest_ms, command_id="test")
    control.write(west.settings, REGION_OWNERSHIP, "east", record)
    for region in shops.values():
        until(
            f"{region.name} knows the new owner",
            lambda region=region: _owned(region)["east"] == record.epoch,
        )
    asks = asked(east, "promoted")
    until(
        "the west answers everybody",
        lambda: asks.keys() <= {one.recommendation_id for one in published(west)},
    )
    answers = [one for one in published(west) if one.recommendation_id in asks]
    assert {one.epoch for one in answers} == {record.epoch}
    assert {one.fallback for one in answers} == {None}, "the scorer was warm"
    until(
        "the east samples what it has handed over",
        lambda: asks.keys() & {one.recommendation_id for one in sampled(west, "east")},
    )
    assert not asks.keys() & {one.recommendation_id for one in published(east)}
    assert not compare_slates(sampled(west, "east"), published(west)).differing
