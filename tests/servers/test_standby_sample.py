"""What a standby scores beside folding everything: a sample that is compared and never published.

Two real regions with a worker each and one Triton that serves a release to both.
"""

import itertools
from collections.abc import Iterator

import msgspec
import pytest

from infra import control
from schemas.control import SampledSlate, StateDigest
from schemas.identifiers import recommendation_id
from schemas.recommendations import AnswerHeaders, Recommendation
from schemas.topics import RECOMMENDATIONS, REGION_OWNERSHIP, STATE_DIGESTS
from streams.region.parity import SlatesCompared, compare_slates
from streams.region.promotion import Fences, promoted
from tests.servers import served_pair
from tests.servers.conftest import RunningTriton
from tests.servers.pair import Pair, Region
from tests.servers.served_pair import INSIDE, USERS, owned
from tests.servers.states import ask, send
from tests.servers.workers import until


@pytest.fixture(scope="module")
def shops(
    pair: Pair, triton: RunningTriton, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    yield from served_pair.started(pair, triton, tmp_path_factory.mktemp("sample"), digest_s=2)


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


def roles(shops: Pair) -> tuple[Region, Region]:
    """Who owns the origin east now, and who stands by."""
    owner = control.ownerships(shops["east"].settings).origins["east"].owner
    return shops[owner], shops[shops[owner].peer]


def compared(shops: Pair, name: str) -> SlatesCompared:
    """Everybody asks in the east and is answered, until half of the sample was scored: what comes
    while a call is under way is left out. The sample as the owner reads it.
    """
    owner, standby = roles(shops)
    asks: dict[str, str] = {}

    def mine() -> list[SampledSlate]:
        found = sampled(owner, standby.name)
        return [one for one in found if one.recommendation_id in asks]

    def is_half_scored() -> bool:
        asks.update(asked(shops["east"], f"{name}-{len(asks)}"))
        until(
            f"{owner.name} has answered",
            lambda: asks.keys() <= {one.recommendation_id for one in published(owner)},
        )
        return len({asks[one.recommendation_id] for one in mine()} & INSIDE) >= len(INSIDE) / 2

    until(f"{standby.name} has scored its sample", is_half_scored)
    assert not asks.keys() & {one.recommendation_id for one in published(standby)}
    return compare_slates(mine(), published(owner))


def test_a_standby_makes_the_slates_that_the_owner_makes_and_publishes_none(shops: Pair) -> None:
    assert 0 < len(INSIDE) < len(USERS)
    send(shops["east"].bootstrap, 200, seed=1, users=USERS)
    for region in shops.values():
        region.processed()
    for turn in range(20):
        found = compared(shops, f"turn-{turn}")
        assert not found.differing
        if found.comparable >= len(INSIDE) / 2:
            break
    assert found.comparable >= len(INSIDE) / 2, found
    assert found.comparable_share
    _, standby = roles(shops)
    by_model = [one for one in sampled(standby, standby.name) if one.fallback is None]
    assert by_model
    assert all(one.model is not None and one.items for one in by_model)


def test_who_is_promoted_answers_everybody_and_the_other_samples(shops: Pair) -> None:
    east = shops["east"]
    send(east.bootstrap, 200, seed=2, users=USERS)
    turns = itertools.count()
    until(
        "the model answers in both regions",
        lambda: compared(shops, f"warm-{next(turns)}").comparable,
    )
    former, owner = roles(shops)
    before = control.ownerships(owner.settings).origins["east"]
    fences = Fences(before)
    for one in owner.records(owner.copy_of(RECOMMENDATIONS)):
        fences.take(one.partition(), AnswerHeaders.decode(one.headers() or []))
    number = owner.settings.region_number
    record = promoted(before, owner.name, number, fences.newest_ms, command_id="test")
    control.write(owner.settings, REGION_OWNERSHIP, "east", record)
    for region in shops.values():
        until(
            f"{region.name} knows the new owner",
            lambda region=region: owned(region)["east"] == record.epoch,
        )
    asks: dict[str, str] = {}

    def is_sampled_by_former() -> bool:
        asks.update(asked(east, f"promoted-{len(asks)}"))
        until(
            f"{owner.name} answers everybody",
            lambda: asks.keys() <= {one.recommendation_id for one in published(owner)},
        )
        return bool(asks.keys() & {one.recommendation_id for one in sampled(owner, former.name)})

    until(f"{former.name} samples what it has handed over", is_sampled_by_former)
    answers = [one for one in published(owner) if one.recommendation_id in asks]
    assert {one.epoch for one in answers} == {record.epoch}
    assert {one.fallback for one in answers} == {None}, "the scorer was warm"
    assert not asks.keys() & {one.recommendation_id for one in published(former)}
    assert not compare_slates(sampled(owner, former.name), published(owner)).differing
