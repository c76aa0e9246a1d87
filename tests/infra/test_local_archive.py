"""Class archives: which starts use them, which are made, and that nothing depends on them."""

from pathlib import Path

import pytest

from infra.local import jvm
from infra.local.install import archive, jars, java
from infra.local.problems import InstallError, NotReadyError


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Java that takes every archive; what it tells of itself can be changed."""
    program = tmp_path / "jdk/bin/java"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (tmp_path / "jdk/release").write_text('JAVA_VERSION="17.0.15"\n')
    monkeypatch.setattr(java, "require", lambda _: program)
    monkeypatch.setattr(java, "installed", lambda _: True)
    return program


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """With a folder for jars."""
    place = tmp_path / "some tools"
    jars.folder(place).mkdir(parents=True)
    return place


def written(into: Path, *programs: jvm.Program) -> None:
    for program in programs:
        jvm.in_folder(into)[program].write_text("classes")


def made(tools: Path) -> Path:
    """As a finished installation leaves them, the mirror's missing."""
    folder = jvm.archives(tools)
    folder.mkdir()
    written(folder, "broker")
    return folder


@pytest.mark.usefixtures("runtime")
def test_a_start_uses_the_archive_that_is_there(tools: Path) -> None:
    def archives_of(program: jvm.Program) -> list[str]:
        command = jvm.command(tools, 192, program=program, quiet=())
        return [option for option in command if "SharedArchiveFile" in option]

    assert archives_of("broker") == archives_of("mirror") == []
    folder = made(tools)
    assert archives_of("broker") == [f"-XX:SharedArchiveFile={folder / 'broker.jsa'}"]
    assert archives_of("mirror") == []


def test_another_java_or_other_flags_use_no_archive_of_before(
    runtime: Path, tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tools)
    assert archive.installed(tools)
    with monkeypatch.context() as changed:
        changed.setattr(jvm, "SMALL", ("-XX:+UseParallelGC",))
        assert not archive.installed(tools)
    (runtime.parents[1] / "release").write_text('JAVA_VERSION="17.0.16"\n')
    assert not archive.installed(tools)
    (runtime.parents[1] / "release").unlink()
    assert not archive.installed(tools)


@pytest.mark.usefixtures("runtime")
def test_one_that_was_interrupted_leaves_none_and_resumes(
    tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: object, into: Path) -> None:
        written(into, "broker")
        raise KeyboardInterrupt

    monkeypatch.setattr(archive, "record", interrupted)
    with pytest.raises(KeyboardInterrupt):
        archive.install(tools)
    assert not archive.installed(tools)
    monkeypatch.setattr(archive, "record", lambda _, into: written(into, "broker", "mirror"))
    archive.install(tools)
    assert archive.installed(tools)
    assert all(path.exists() for path in jvm.in_folder(jvm.archives(tools)).values())


def test_an_archive_that_java_cannot_use_is_not_kept(
    runtime: Path, tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "record", lambda _, into: written(into, "broker"))
    runtime.write_text("#!/bin/sh\necho Unable to use shared archive. >&2\nexit 1\n")
    with pytest.raises(InstallError, match=r"broker\.jsa .*Unable to use shared archive"):
        archive.install(tools)
    assert not archive.installed(tools)


@pytest.mark.usefixtures("runtime")
def test_a_java_that_writes_none_is_said_to_and_not_asked_again(
    tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "record", lambda *_: None)
    with pytest.raises(InstallError, match="writes no class archives"):
        archive.install(tools)
    assert archive.installed(tools)


@pytest.mark.usefixtures("runtime")
def test_a_broker_that_does_not_start_is_stopped_and_leaves_none(tools: Path) -> None:
    """Here Java ends at once, without having done anything."""
    with pytest.raises(NotReadyError, match="kafka ended before it was ready"):
        archive.install(tools)
    assert not archive.installed(tools)
