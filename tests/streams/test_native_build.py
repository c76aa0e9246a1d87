"""Compiling and loading the hot path: nothing that is missing stops a worker or an installation."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from schemas.events import Click, View
from streams import native
from streams.native import build

NEEDS_A_COMPILER = pytest.mark.skipif(
    not any(map(shutil.which, build._COMPILERS)), reason="there is no C compiler"
)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A checkout in which nothing was compiled."""
    path = tmp_path / "built" / "hot.so"
    monkeypatch.setattr(build, "compiled", lambda: path)
    monkeypatch.setattr(native, "compiled", lambda: path)
    native.native.cache_clear()
    native._say_once.cache_clear()
    yield path
    native.native.cache_clear()


def test_a_worker_says_once_what_is_missing_and_goes_on(
    elsewhere: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert native.chosen("auto") is None
    assert native.chosen("auto") is None
    (said,) = caplog.messages
    assert "make install" in said
    assert str(native.unavailable()) in said
    assert not elsewhere.exists()


def test_off_is_off_and_says_nothing(elsewhere: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert native.chosen("off") is None
    assert not caplog.messages
    assert not elsewhere.exists()


def test_what_is_no_module_is_told(elsewhere: Path) -> None:
    elsewhere.parent.mkdir()
    elsewhere.write_bytes(b"no module")
    assert "cannot be loaded" in str(native.unavailable())


IS_COMPILED = pytest.mark.skipif(not build.compiled().exists(), reason="nothing was compiled")


@pytest.fixture
def anew() -> Iterator[None]:
    native.native.cache_clear()
    yield
    native.native.cache_clear()


@IS_COMPILED
def test_its_rules_are_those_of_this_release() -> None:
    assert native.unavailable() is None


@IS_COMPILED
@pytest.mark.usefixtures("anew")
def test_where_the_fold_was_changed_the_old_one_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(native, "FOLD_VERSION", 99)
    assert "fold 1 not 99" in str(native.unavailable())


@IS_COMPILED
@pytest.mark.usefixtures("anew")
def test_where_an_event_was_changed_the_old_scanner_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(native.MESSAGES, "user-event", View | Click)
    assert "events" in str(native.unavailable())


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("compiler", "no C compiler"),
        ("headers", "Python.h"),
        ("a compiler that works", "refuses the sources"),
        ("what CC names", "did not do its work"),
    ],
)
def test_an_installation_without_it_succeeds_and_says_why(
    missing: str,
    said: str,
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("CC", raising=False)
    if missing == "compiler":
        monkeypatch.setattr(build, "shutil", SimpleNamespace(which=lambda _: None))
    elif missing == "headers":
        monkeypatch.setattr(build, "sysconfig", SimpleNamespace(get_path=lambda _: "/nowhere"))
        monkeypatch.setenv("CC", "true")
    elif missing == "a compiler that works":
        monkeypatch.setenv("CC", "false")
    else:
        monkeypatch.setenv("CC", "/nowhere/cc")
    if missing != "headers":
        monkeypatch.setattr(build, "_headers", lambda: "/")
    build.main()
    assert said in capsys.readouterr().err
    assert not elsewhere.exists()


@NEEDS_A_COMPILER
@pytest.mark.skipif(native.unavailable() is not None, reason="nothing can be compiled")
def test_several_may_compile_at_once(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "_FLAGS", (*build._FLAGS, "-O0"))
    with ThreadPoolExecutor(2) as pool:
        assert set(pool.map(lambda _: build.build(), range(2))) == {elsewhere}
    assert [path.name for path in elsewhere.parent.iterdir()] == [elsewhere.name]
    assert native.unavailable() is None
