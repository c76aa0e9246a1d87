"""What a person sees of a failover: the table, the picture, and the options that change them."""

from pathlib import Path

from tests.drills import play
from tests.drills.check.findings import Findings
from tests.drills.failover_table import failover_table
from tests.drills.harness.watch import Curves
from tests.drills.picture import draw

FIGURES = {
    "rpo_foretold": {0: 4, 1: 2},
    "rpo_found": {0: 3, 1: 1},
    "lost_for_a_while": ["0:load0-7", "0:load0-9", "0:load0-12", "1:load0-8"],
    "rto_s": {0: 2.5, 1: 3.25},
    "answers_at_an_ended_epoch": 17,
    "state_hash": {"east": "aa" * 16, "west": "aa" * 16},
    "users under traffic": {"lists": 9, "alike": 120, "differ_once": 1, "differ_twice": 0},
    "slates": {"pairs": 50, "comparable": 40, "equal": 40, "comparable_share": 0.8},
    "failback": {"seconds": 3.5, "silent_s": 2.25},
    "events": 4_000,
}


def test_the_table_says_what_was_foretold_and_found() -> None:
    findings = Findings()
    findings.looked("asks at readers", 900)
    findings.add("asks without an answer at a reader", "kim")
    told = dict(failover_table(FIGURES, findings))
    assert told["RPO foretold, events a partition"] == "4 2"
    assert told["RPO found, events a partition"] == "3 1"
    assert told["lost until the region was back"].startswith("4 (0:load0-7, ")
    assert told["RTO, seconds a partition"] == "2.5 3.25; at most 3.25"
    assert told["asks at the readers of both regions"] == "900; unanswered 1, ids given twice 0"
    assert told["findings"] == "1"


def test_the_picture_is_a_png_with_gaps_where_a_region_was_dead(tmp_path: Path) -> None:
    curves = Curves(
        at_s=[1.0, 2.0, 3.0],
        sent=[10.0, 20.0, 0.0],
        given={"east": [5.0, 0.0, 1.0], "west": [6.0, 8.0, 9.0]},
        lag={"east": [1, None, 200], "west": [0, 5, 7]},
        marks={"east dies": 1.5, "promote": 2.0},
    )
    file = tmp_path / "failover.png"
    draw(curves, "a title", file)
    content = file.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    without = Curves(at_s=[1.0], sent=[1.0], given={"east": [1.0]}, lag={"east": [0]})
    draw(without, "a title", file)
    assert file.read_bytes() != content


def test_options_of_every_type() -> None:
    given = ["--rate", "5", "--picture", "there.png", "--full", "no", "--partitions", "3"]
    chosen = play.options("failover", given, short=False)
    assert chosen == {"rate": 5.0, "picture": "there.png", "full": False, "partitions": 3}
