"""The report of a training: every epoch of what was judged and of what was released."""

import io

import msgspec
from matplotlib import image

from inference.training.progress import Ended, Epoch, Started
from inference.training.report import PICTURE, REPORT, Kept, TrainingReport, files_of, report_of
from tests.inference.fitted import fitted

JUDGED = [
    Epoch(number=number, loss=3 / number, metric=metric, seconds=1.0)
    for number, metric in enumerate((0.1, 0.3, 0.2), start=1)
]
WHOLE = [Epoch(number=number, loss=4 / number, metric=None, seconds=2.0) for number in (1, 2)]


def test_it_has_the_epochs_of_both_runs_and_a_picture_of_them():
    told = []
    kept = Kept(told.append)
    said = [Started(processes=2, on="the CPU"), *JUDGED, Ended(epochs=JUDGED), Ended(epochs=WHOLE)]
    for one in said:
        kept(one)
    assert told == said
    files = files_of(report_of(fitted(), {"ndcg@10": 0.2}, kept, 2))
    report = msgspec.json.decode(files[REPORT], type=TrainingReport)
    assert (report.judged, report.whole, report.processes) == (JUDGED, WHOLE, 2)
    assert (report.training, report.items) == (fitted().training, len(fitted().items))
    height, width, _ = image.imread(io.BytesIO(files[PICTURE]), format="png").shape
    assert min(height, width) > 500


def test_a_run_that_is_resumed_is_told_once():
    kept = Kept(lambda _: None)
    for epochs in (JUDGED[:1], JUDGED, WHOLE):
        kept(Ended(epochs=epochs))
    assert (kept.judged, kept.whole) == (JUDGED, WHOLE)


def test_without_epochs_there_is_no_picture():
    files = files_of(report_of(fitted(), {}, Kept(lambda _: None)))
    assert list(files) == [REPORT]
