"""What a prober remembers, tells others and makes of it, without a server of Kafka."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra import workers
from infra.failover.reach import Reach
from infra.failover.run import Run, Wish
from infra.local.settings import LocalSettings
from infra.probing import asking, report
from infra.probing.report import Answer, Contact, Report, Told
from infra.probing.seen import Sample, Seen, newest
from infra.probing.serving import Serving
from infra.probing.verdict import Verdict, verdict
from infra.supervise import wanted
from streams.region.detection import FRESH_S, View, why_not_automatic
from streams.settings import Settings
from tests.infra.command import NOWHERE, called

AFTER_S = 10.0
SECONDS = st.floats(0, 1_000)
LOOKS = st.lists(
    st.tuples(
        st.floats(0, 20), st.floats(0, 1), st.booleans(), st.sampled_from(["kafka", "mirror"])
    ),
    max_size=30,
)


def looked(looks: list[tuple[float, float, bool, str]]) -> tuple[Seen, float]:
    """After these looks one after the other: how long each waited, took, and whether it heard."""
    seen, now_s = Seen("west", ("kafka", "mirror"), 0.0), 0.0
    for waited_s, took_s, heard, way in looks:
        began_s = now_s + waited_s
        now_s = began_s + took_s
        seen.looked(way, began_s, now_s if heard else None)
    return seen, now_s


def test_it_hears_by_either_way_and_is_blind_by_each() -> None:
    seen = Seen("west", ("kafka", "mirror"), 0.0)
    for second in range(1, 13):
        seen.looked("kafka", second, None)
        seen.looked("mirror", second, second + 0.1 if second <= 3 else None)
    assert seen.view == View(observer="west", since_s=0.0, looked_s=12, heard_s=3.1)
    assert seen.heard_s == {"mirror": 3.1}
    seen.looked("kafka", 13, 13.2)
    assert seen.view.heard_s == 13.2
    assert seen.view.looked_s == 12, "the mirror's heartbeats were not looked for since"


def test_who_was_asleep_counts_anew() -> None:
    """A machine that was suspended for a minute has not lost everybody for a minute."""
    seen = Seen("outside", ("kafka",), 0.0)
    seen.looked("kafka", 1, 1)
    seen.looked("kafka", 1 + FRESH_S, None)
    assert seen.view.silent_s() == FRESH_S
    seen.looked("kafka", 61, None)
    assert seen.view.silent_s() == 0
    seen.looked("kafka", 62, None)
    assert seen.view.silent_s() == 1


def test_a_sample_has_the_rate_of_those_before_it() -> None:
    seen = Seen("outside", ("kafka",), 0.0)
    assert seen.sample is None
    seen.sampled(1.0, {0: 100, 1: 5})
    assert seen.sample == Sample(1.0, {0: 100, 1: 5}, {})
    for number in range(1, 20):
        seen.sampled(1.0 + number, {0: 100 + 50 * number, 1: 5})
    assert seen.sample == Sample(20.0, {0: 1050, 1: 5}, {0: 50.0, 1: 0.0})


def test_of_several_samples_the_newest_counts_that_knows_a_rate() -> None:
    """A prober that was started a moment before would make it seem that nothing more came."""
    first, old, new = (
        Sample(9.0, {0: 9}, {}),
        Sample(1.0, {0: 5}, {0: 1.0}),
        Sample(2.0, {}, {0: 0}),
    )
    assert newest([first, old, None, new]) == new
    assert newest([None, first]) == first
    assert newest([None]) is None


@given(LOOKS, SECONDS, SECONDS, SECONDS, st.floats(-1e6, 1e6))
def test_what_another_reads_is_never_a_longer_silence_nor_fresher(
    looks: list[tuple[float, float, bool, str]],
    made_after_s: float,
    on_the_way_s: float,
    waited_s: float,
    clocks_apart_s: float,
) -> None:
    """Whatever the way took and however far the clocks are apart: a promotion comes later."""
    seen, now_s = looked(looks)
    made_s = now_s + made_after_s
    sent = Report(
        observer="west", region_number=1, partitions=8, regions=report.told({"east": seen}, made_s)
    )
    read = msgspec.json.decode(msgspec.json.encode(sent), type=Report)
    asked_s = made_s - on_the_way_s + clocks_apart_s
    answer = Answer(asked_s, made_s + waited_s + clocks_apart_s, read)
    theirs = report.view(answer, "east")
    assert theirs is not None
    slack_s = 1e-6
    assert theirs.silent_s() <= seen.view.silent_s() + slack_s
    assert theirs.looked_s <= seen.view.looked_s + clocks_apart_s + slack_s
    assert report.view(answer, "north") is None


def test_a_sample_of_another_prober_is_at_least_as_old_as_it_is() -> None:
    seen = Seen("west", ("kafka",), 0.0)
    for second in (1.0, 2.0):
        seen.sampled(second, {0: int(second * 100)})
    made = Report(
        observer="west", region_number=1, partitions=1, regions=report.told({"east": seen}, 5.0)
    )
    answer = Answer(104.5, 105.5, made)
    assert report.sample(answer, "east") == Sample(101.5, {0: 200}, {0: 100.0})
    assert report.sample(answer, "north") is None


def test_who_was_cut_off_from_everybody_counts_anew_when_he_is_back() -> None:
    """He has lost the east as well; that the west has lost it, too, is no news of this moment."""
    contact = Contact("west", 0.0)
    assert contact.view("east") == View(observer="west", since_s=0.0, looked_s=0.0)

    def hears_at(second: float) -> View:
        lost = Told(watched_s=1_000.0, looked_age_s=0.0, heard_age_s={"kafka": 500.0})
        made = Report(observer="west", region_number=1, partitions=1, regions={"east": lost})
        contact.took(Answer(second, second, made))
        return contact.view("east")

    assert [hears_at(second).silent_s() for second in (10, 12, 14)] == [0, 2, 4]
    assert contact.view("north").silent_s() == 0
    assert hears_at(14 + FRESH_S).silent_s() == 4 + FRESH_S
    assert hears_at(60).silent_s() == 0
    assert hears_at(61).silent_s() == 1


NOW_S = 100.0
OUTSIDE = View(observer="outside", since_s=0, looked_s=NOW_S, heard_s=NOW_S - 20)
WEST = View(observer="west", since_s=0, looked_s=NOW_S, heard_s=NOW_S - 21)
HEARS = View(observer="west", since_s=0, looked_s=NOW_S, heard_s=NOW_S - 1)


def judged(own: View, *others: View) -> Verdict:
    return verdict("east", own, others, after_s=AFTER_S, now_s=NOW_S)


def test_a_region_is_told_of_in_one_sentence() -> None:
    assert judged(OUTSIDE, WEST).says == (
        "east is lost: outside has not heard it for 20.0 s, west not for 21.0 s"
    )
    assert judged(OUTSIDE, HEARS).says == (
        "east may be lost: outside has not heard it for 20.0 s; but west heard east 1.0 s ago"
    )
    assert judged(WEST).says == "east is lost: west has not heard it for 21.0 s"
    assert judged(HEARS).says == "east is heard by west"
    begun = View(observer="west", since_s=NOW_S - 1, looked_s=NOW_S)
    assert (judged(begun).state, judged(begun).says) == ("new", "east was not heard by west yet")
    assert "\n" not in judged(OUTSIDE, WEST, HEARS).says


@given(st.lists(st.sampled_from([OUTSIDE, WEST, HEARS]), min_size=1, max_size=4))
def test_it_is_lost_where_the_rule_holds_with_each_of_the_others(views: list[View]) -> None:
    own, *others = views
    found = judged(own, *others)
    reasons = [
        reason
        for other in others or (own,)
        for reason in why_not_automatic("east", own, other, after_s=AFTER_S, now_s=NOW_S)
    ]
    assert (found.state == "lost") is (not reasons)
    assert set(found.why_not_lost) == set(reasons)
    assert (found.state == "doubted") is (bool(reasons) and own is not HEARS)


@pytest.fixture
def served() -> Iterator[Serving]:
    seen = Seen("west", ("kafka",), 0.0)
    seen.sampled(1.0, {0: 7})
    made = Report(
        observer="west", region_number=1, partitions=1, regions=report.told({"east": seen}, 2.0)
    )
    with closing(Serving("127.0.0.1", 0, lambda: made)) as server:
        yield server


def test_one_prober_reads_what_another_tells(served: Serving) -> None:
    answer = asking.ask(served.address)
    assert answer is not None
    assert answer.asked_s <= answer.answered_s
    assert (answer.report.observer, answer.report.region_number) == ("west", 1)
    assert answer.report.regions["east"].ends == report.Ends(age_s=1.0, ends={0: 7})
    found = asking.newest_sample(["127.0.0.1:1", served.address], "east")
    assert found is not None
    assert found.ends == {0: 7}
    assert asking.newest_sample([served.address], "north") is None
    assert asking.newest_sample(["127.0.0.1:1"], "east") is None


def test_what_is_no_prober_has_said_nothing(served: Serving) -> None:
    assert asking.ask(f"{served.address}/elsewhere") is None
    assert asking.ask("127.0.0.1:1") is None
    assert asking.ask("no address") is None


EAST, WEST_ = "--peer=east=127.0.0.1:1", "--peer=west=127.0.0.1:1"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--from", "outside"], "where is the Kafka of any region?"),
        (["--from", "east"], "where is the Kafka of west?"),
        (["--from", "outside", "--peer", "east"], "east is not NAME=HOST:PORT"),
        (["--from", "outside", EAST, WEST_, "--automatic"], "only the prober outside promotes"),
        (["--from", "east", WEST_, "--automatic"], "only the prober outside promotes"),
        (["--from", "outside", EAST, "--prober=east=a:1", "--automatic"], "only the prober"),
        (["--from", "outside", EAST, "--after", "0"], "--after"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(tmp_path: Path, arguments: list[str], says: str) -> None:
    answer = called(tmp_path, "region", "watch", *arguments, **NOWHERE, TIDEMILL_PEERS="west")
    assert answer.exit_code == 2
    assert says in " ".join(answer.stderr.replace("│", " ").split())


def test_a_region_with_peers_has_a_prober_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEMILL_LOST_AFTER_S", "7")
    local = LocalSettings(home=tmp_path)
    alone = workers.described(local, {"archive": "archive"}, {})
    assert [worker.name for worker in alone] == ["archive"]
    assert workers.prober_address(local.place) is None
    kept = workers.described(
        local, {"archive": "archive"}, {}, peers={"east": "far:1,away:1", "north": "n:1"}
    )
    assert [worker.name for worker in kept] == ["archive", "standby", "prober"]
    said = [worker.env.get("TIDEMILL_LOST_AFTER_S") for worker in kept]
    assert said == [None, None, "7"], "it alone is replaced when that changes"
    assert kept[-1].command[-3:] == ("infra.probing", "east=far:1,away:1", "north=n:1")
    wanted.write(local.place, wanted.Wanted(revision=1, log_limit_bytes=0, workers=tuple(kept)))
    port = kept[-1].ports[workers.METRICS_PORT]
    assert workers.prober_address(local.place) == f"127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("force", "overruled", "recorded"),
    [
        (None, [], "automatic: east is lost"),
        ("it burns", [], "it burns"),
        ("it burns", ["west is behind"], "it burns (overruled: west is behind)"),
    ],
)
def test_a_promotion_by_itself_says_why(
    tmp_path: Path, force: str | None, overruled: list[str], recorded: str
) -> None:
    wish = Wish(origin="east", force=force, because="automatic: east is lost")
    run = Run("promote", Reach(Settings(region="west"), {}, tmp_path), wish)
    assert run.reason(overruled) == recorded
