"""Which backups belong together, which may go, and when the next is due."""

import threading
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.backup import chain, manifest, retention, schedule, unfinished
from infra.backup.manifest import Manifest, Parent
from infra.backup.place import Place
from infra.backup.problems import BackupError, DamagedError
from infra.backup.restore import opened
from infra.backup.sealing import UNSEALED
from tests.infra.backup_manifests import manifest_of

START_MS = 1_700_000_000_000


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Place:
    return Place(f"memory://{request.node.name.translate({91: 45, 93: 45})}")


def lay(place: Place, parents: Sequence[int | None], region: str = "east") -> list[str]:
    """Backups an hour apart; each says which one it goes on from."""
    ids: list[str] = []
    for number, parent in enumerate(parents):
        id_ = chain.id_of(START_MS + number * 3_600_000)
        named = chain.named(chain.found(place), ids[parent]) if parent is not None else None
        publish(place, id_, region=region, parent=named)
        ids.append(id_)
    return ids


def publish(place: Place, id_: str, **fields: object) -> Manifest:
    made = manifest_of(id=id_, states=[], **fields)
    place.publish(f"{id_}/{manifest.NAME}", manifest.encode(made, UNSEALED))
    return made


@given(st.integers(0, 2**42))
def test_an_id_is_a_moment(at_ms: int) -> None:
    id_ = chain.id_of(at_ms)
    assert chain.is_id(id_)
    assert chain.Found(id_, None).begun_ms == at_ms
    assert chain.id_of(at_ms + 1) > id_


@pytest.mark.parametrize(
    "name", ["", "tmp", "20261125", "20261125T120000.12Z", "20261325T120000.123Z"]
)
def test_other_folders_are_no_backups(name: str) -> None:
    assert not chain.is_id(name)


def test_a_chain_leads_to_its_full_backup(place: Place) -> None:
    ids = lay(place, [None, 0, 1, None, 3])
    known = chain.found(place)
    assert [one.id for one in chain.chain_to(known, ids[2])] == ids[:3]
    assert [one.id for one in chain.chain_to(known, None)] == ids[3:]
    with pytest.raises(BackupError, match="not here"):
        chain.chain_to(known, "elsewhere")


def test_the_newest_of_a_region_is_its_own(place: Place) -> None:
    (ours,) = lay(place, [None])
    publish(place, chain.id_of(START_MS + 1), region="west")
    known = chain.found(place)
    assert [one.id for one in chain.chain_to(known, None, "east")] == [ours]
    assert [one.region for one in chain.chain_to(known, None)] == ["west"]
    with pytest.raises(BackupError, match="no finished backup of north"):
        chain.chain_to(known, None, "north")


@pytest.mark.parametrize("fields", [{"folds": [9]}, {"state_formats": [9]}, {"bounds": 9}])
def test_a_chain_that_this_release_cannot_vouch_for_is_not_opened(
    fields: dict[str, object], place: Place
) -> None:
    (full,) = lay(place, [None])
    assert opened(place, full, None).users == 0
    parent = chain.named(chain.found(place), full)
    newer = publish(place, chain.id_of(START_MS + 1), parent=parent, **fields)
    with pytest.raises(BackupError, match="take one that reads them"):
        opened(place, newer.id, None)


def test_a_chain_without_a_link_or_with_another_is_refused(place: Place) -> None:
    ids = lay(place, [None, 0, 1])
    publish(place, ids[1], took_s=7.0)
    with pytest.raises(DamagedError, match="not the one"):
        chain.chain_to(chain.found(place), ids[2])
    place.remove(f"{ids[1]}/{manifest.NAME}")
    with pytest.raises(DamagedError, match="never finished"):
        chain.chain_to(chain.found(place), ids[2])
    place.remove(ids[1])
    with pytest.raises(BackupError, match="not here"):
        chain.chain_to(chain.found(place), ids[2])


def test_a_backup_that_goes_on_from_itself_is_refused() -> None:
    id_ = chain.id_of(START_MS)
    made = manifest_of(id=id_, states=[], parent=Parent(id=id_, sha256="x"))
    with pytest.raises(DamagedError, match="itself"):
        chain.chain_to([chain.Found(id_, made, "x")], id_)


PARENTS = st.lists(st.booleans(), min_size=1, max_size=12).map(
    lambda fulls: [None if full or not n else n - 1 for n, full in enumerate(fulls)]
)


@given(PARENTS, st.integers(1, 14))
def test_what_is_kept_can_be_brought_back(parents: list[int | None], keep: int) -> None:
    ids = [chain.id_of(START_MS + n) for n in range(len(parents))]
    known = [
        manifest_of(id=id_, parent=None if p is None else Parent(id=ids[p], sha256=""))
        for id_, p in zip(ids, parents, strict=True)
    ]
    gone = chain.spare(known, keep)
    assert gone == sorted(gone, reverse=True), "a child goes before its parent"
    left = {one.id: one for one in known if one.id not in gone}
    assert set(ids[-keep:]) <= left.keys()
    for id_ in ids[-keep:]:
        link = left[id_]
        while link.parent is not None:
            link = left[link.parent.id]
    first = ids.index(min(left))
    assert parents[first] is None
    assert first == max(
        n for n, p in enumerate(parents[: len(ids) - min(keep, len(ids)) + 1]) if p is None
    )


def test_retention_removes_what_nothing_needs(place: Place) -> None:
    ids = lay(place, [None, 0, None, 2, 3])
    assert retention.keep(place, "west", 1) == []
    assert retention.keep(place, "east", 2) == [ids[1], ids[0]]
    assert place.folders() == ids[2:]
    with pytest.raises(BackupError):
        retention.keep(place, "east", 0)


def test_an_unfinished_one_is_removed_once_nobody_makes_it(place: Place) -> None:
    now_ms = time.time_ns() // 1_000_000
    mine, strange, old = (chain.id_of(now_ms - ago) for ago in (0, 1_000, 90_000_000))
    unfinished.begin(place, mine)
    for id_ in (strange, old):
        with place.create(f"{id_}/states-0") as write:
            write(b"half")
    assert unfinished.remove(place, chain.found(place)) == [old]
    assert place.folders() == sorted([strange, mine])


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("6h", 21600), ("1d", 86400)]
)
def test_times_are_written_as_people_do(text: str, seconds: float) -> None:
    assert schedule.seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "6", "h", "-1h", "0s", "6 hours"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no time"):
        schedule.seconds_of(text)


def test_when_a_backup_is_due() -> None:
    assert schedule.due_in_s(None, 60, START_MS) == 0
    assert schedule.due_in_s(START_MS, 60, START_MS + 20_000) == 40
    assert schedule.due_in_s(START_MS, 60, START_MS + 90_000) == 0
    assert schedule.due_in_s(START_MS, 60, START_MS - 900_000) == 60, "a clock that stepped back"


def test_a_schedule_goes_on_after_a_failure() -> None:
    stop, said, results = threading.Event(), [], iter([False, True, False])

    def make() -> bool:
        try:
            return next(results)
        except StopIteration:
            stop.set()
            return True

    schedule.run(lambda: None, make, 0.01, stop, said.append)
    assert [line for line in said if "tried again" in line] == ["it is tried again in 0 s"] * 2


def test_a_place_writes_lists_and_removes(place: Place) -> None:
    assert place.folders() == []
    place.publish("a/one", b"1")
    place.publish("a/one", b"22")
    place.publish("b/two", b"2")
    assert (place.folders(), place.read("a/one")) == (["a", "b"], b"22")
    place.remove("a")
    place.remove("a")
    assert place.folders() == ["b"]
    with pytest.raises(FileNotFoundError):
        place.read("a/one")


@pytest.mark.parametrize("url", ["memory://a*", "memory://a/b?/c", "memory://[a]"])
def test_a_place_is_no_pattern(url: str) -> None:
    with pytest.raises(BackupError, match="pattern"):
        Place(url)


def test_a_store_that_nobody_knows_is_told() -> None:
    with pytest.raises(BackupError, match="nowhere-at-all://x cannot be reached"):
        Place("nowhere-at-all://x")


def test_a_store_whose_package_is_missing_names_it() -> None:
    with pytest.raises(BackupError, match=r"box://x needs a package .*boxfs"):
        Place("box://x")
