"""`tidemill train --transformer --processes 2` as a person calls it: a release with its report."""

from pathlib import Path

import msgspec

from inference.releases import read
from inference.training.fastest import WITHOUT
from inference.training.report import PICTURE, REPORT, TrainingReport
from tests.infra.command import called, document

USERS, ITEMS, LENGTH = 24, 8, 5
LOG = "user_id,item_id,timestamp\n" + "".join(
    f"u{user},i{(user + step) % ITEMS},{1_700_000_000 + step * 86_400}\n"
    for user in range(USERS)
    for step in range(LENGTH)
)


def test_the_release_has_the_curves_of_both_runs(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text(LOG)
    call = ("train", "csv", "--data", str(log), "--transformer", "--processes", "2")
    made = document(tmp_path / "home", *call)
    folder = Path(made["folder"])
    assert made["report"] == [str(folder / REPORT), str(folder / PICTURE)]
    manifest, _ = read(folder)
    assert {REPORT, PICTURE} <= set(manifest.files)
    report = msgspec.json.decode((folder / REPORT).read_bytes(), type=TrainingReport)
    assert report.processes == 2
    assert [epoch.number for epoch in report.judged] == list(range(1, len(report.judged) + 1))
    best = max(report.judged, key=lambda epoch: epoch.metric or 0.0)
    released = report.training.compression != WITHOUT
    assert len(report.whole) == (best.number if released else 0)
    assert report.metrics == made["metrics"]
    assert report.training.compression in [form.name for form in report.forms]
    assert manifest.training == report.training


def test_processes_without_anything_for_them_are_a_wrong_call(tmp_path: Path) -> None:
    wrong = called(tmp_path, "train", "ml-100k", "--no-transformer", "--processes", "2")
    assert (wrong.exit_code, "--transformer or --from" in wrong.stderr) == (2, True)
