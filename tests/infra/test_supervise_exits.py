"""Why a worker ended, in words; and how long it waits."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.supervise import exits
from infra.supervise.backoff import Backoff
from streams.lane.errors import SENTENCES, LaneError


def _errors(root: type[LaneError] = LaneError) -> Iterator[type[LaneError]]:
    yield root
    for error in root.__subclasses__():
        yield from _errors(error)


def test_each_fatal_cause_has_an_exit_code_and_a_sentence_of_its_own() -> None:
    codes = [error.exit_code for error in _errors()]
    assert len(set(codes)) == len(codes)
    assert set(codes) | {1, 2} == set(SENTENCES)
    assert len(set(SENTENCES.values())) == len(SENTENCES)


def test_the_wait_doubles_up_to_half_a_minute() -> None:
    backoff = Backoff()
    assert [backoff.after(1.0) for _ in range(9)] == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_a_worker_that_lived_for_a_minute_waits_little() -> None:
    backoff = Backoff()
    for _ in range(6):
        backoff.after(59.9)
    assert backoff.after(60.0) == 0.5
    assert backoff.after(1.0) == 1.0


CRITICAL = "2026-07-01 10:00:00,123 CRITICAL tidemill: "


@pytest.mark.parametrize(
    ("code", "log", "sentence", "said"),
    [
        (13, CRITICAL + "TopicError: no topic a-b\n", SENTENCES[13], "TopicError: no topic a-b"),
        (10, CRITICAL + "KeyError: 1\nTraceback\n" + "  x\n" * 50, SENTENCES[10], "KeyError: 1"),
        (1, "Traceback\nValueError: no\n\n", SENTENCES[1], "ValueError: no"),
        (2, "TIDEMILL_PEERS: no\n", SENTENCES[2], "TIDEMILL_PEERS: no"),
        (0, "working\n", "it ended without an error, and nobody here had asked it to", None),
        (99, "", "its log says more", None),
        (-9, "working\n", "memory ran out, or somebody killed it", None),
        (-15, "working\n", "somebody ended it", None),
        (-11, "Fatal Python error: Segmentation fault\n\nThread 1\n  File\n",
         "it crashed in native code; its log says where",
         "Fatal Python error: Segmentation fault"),
    ],
)  # fmt: skip
def test_the_sentence_and_the_last_words(
    code: int, log: str, sentence: str, said: str | None, tmp_path: Path
) -> None:
    earlier = CRITICAL + "StageError: of last week\n"
    path = tmp_path / "worker.log"
    path.write_text(earlier + log)
    words = exits.last_words(path, len(earlier), code)
    found = exits.ended(7, code, 2.0, 1_000, words)
    assert (found.sentence, found.said) == (sentence, said)
    assert str(found).startswith("was ended by SIG" if code < 0 else f"exited with code {code}")


def test_a_real_native_crash_is_recognised(tmp_path: Path) -> None:
    code = "import ctypes, faulthandler; faulthandler.enable(); ctypes.string_at(0)"
    log = tmp_path / "worker.log"
    with log.open("wb") as output:
        done = subprocess.run(
            [sys.executable, "-c", code], stderr=output, check=False, env=os.environ
        )
    words = exits.last_words(log, 0, done.returncode)
    assert "Segmentation fault" in str(exits.ended(7, done.returncode, 1.0, 0, words))
