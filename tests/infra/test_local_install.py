"""The installation without a network: what resumes, what is refused with which sentence."""

import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from infra.local.install import debian, jars
from infra.local.install import steps as installation
from infra.local.install.running import run
from infra.local.problems import InstallError


class Folder:
    """A step that makes a folder; the first `interruptions` times it is interrupted."""

    def __init__(self, name: str, interruptions: int = 0) -> None:
        self.name = name
        self.interruptions = interruptions
        self.runs = 0

    def step(self) -> installation.Step:
        return installation.Step(
            self.name, lambda tools: (tools / self.name).is_dir(), self._install
        )

    def _install(self, tools: Path) -> None:
        self.runs += 1
        if self.runs <= self.interruptions:
            raise KeyboardInterrupt
        (tools / self.name).mkdir()


def test_an_interrupted_installation_resumes_and_then_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Folder("first"), Folder("second", interruptions=1)
    monkeypatch.setattr(installation, "STEPS", (first.step(), second.step()))
    said: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        installation.install(tmp_path, said.append)
    installation.install(tmp_path, said.append)
    assert (first.runs, second.runs) == (1, 2)
    before = len(said)
    installation.install(tmp_path, said.append)
    assert (first.runs, second.runs) == (1, 2)
    assert len(said) == before


def test_what_is_not_needed_comes_last_and_may_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Path) -> None:
        raise OSError("no route to a broker")

    spare = installation.Step("spare", lambda _: False, broken, needed=False)
    needed = Folder("needed")
    monkeypatch.setattr(installation, "STEPS", (spare, needed.step()))
    said: list[str] = []
    installation.install(tmp_path, said.append)
    assert needed.runs == 1
    assert said[-1] == "going on without, nothing needs it: no route to a broker"


def test_a_full_disk_is_no_matter_where_all_that_is_needed_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Folder("never")
    spare = installation.Step("spare", lambda _: False, step._install, needed=False)
    monkeypatch.setattr(installation, "STEPS", (spare,))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1024**3))
    said: list[str] = []
    installation.install(tmp_path, said.append)
    assert step.runs == 0
    assert len(said) == 1
    assert "1.0 GiB free" in said[0]


def test_too_little_disk_is_said_before_anything_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Folder("never")
    monkeypatch.setattr(installation, "STEPS", (step.step(),))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1024**3))
    with pytest.raises(InstallError, match=r"1\.0 GiB free and 2 GiB are needed.*TIDEMILL_HOME"):
        installation.install(tmp_path)
    assert step.runs == 0


def test_a_home_that_cannot_be_made_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "STEPS", (Folder("never").step(),))
    (tmp_path / "file").touch()
    with pytest.raises(InstallError, match=r"cannot be made .* set TIDEMILL_HOME"):
        installation.install(tmp_path / "file" / "tools")


def test_a_failing_tool_is_quoted_by_the_line_that_says_why() -> None:
    code = (
        "import sys; print('\\x1b[0m[ERROR] \\n\\x1b[1m[ERROR] no route to the repository\\n"
        "[ERROR] see the manual'); sys.exit(1)"
    )
    with pytest.raises(InstallError, match=r"^Check it: \[ERROR\] no route to the repository$"):
        run([sys.executable, "-c", code], failure="Check it")


def test_a_tool_that_is_missing_is_said() -> None:
    with pytest.raises(InstallError, match=r"Check it: .*no-such-tool"):
        run(["no-such-tool"], failure="Check it")


def test_servers_that_are_not_installed_say_how(tmp_path: Path) -> None:
    with pytest.raises(InstallError, match="make install"):
        jars.classpath(tmp_path)


def test_another_pom_is_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = jars.folder(tmp_path)
    changed = tmp_path / "pom.xml"
    changed.write_text(jars.POM.read_text().replace("4.3.1", "4.3.2"))
    monkeypatch.setattr(jars, "POM", changed)
    assert jars.folder(tmp_path) != before


@pytest.mark.parametrize(
    ("file", "package"),
    [
        ("kcat_1.7.1-2_amd64.deb", "kcat:amd64=1.7.1-2"),
        ("libnspr4_2%3a4.35-1_amd64.deb", "libnspr4:amd64=2:4.35-1"),
        ("maven_3.8.7-1_all.deb", "maven=3.8.7-1"),
    ],
)
def test_file_names_of_packages(file: str, package: str) -> None:
    assert debian.package(file) == package


def test_links_to_the_system_mean_the_unpacked_files(tmp_path: Path) -> None:
    (tmp_path / "etc/java").mkdir(parents=True)
    (tmp_path / "etc/java/security").write_text("ours")
    (tmp_path / "usr/lib/jvm").mkdir(parents=True)
    absolute = tmp_path / "usr/lib/jvm/security"
    absolute.symlink_to("/etc/java/security")
    relative = tmp_path / "usr/lib/relative"
    relative.symlink_to("jvm/security")
    folder = tmp_path / "usr/lib/jvm/conf"
    folder.symlink_to("/etc/java")
    for _ in range(2):
        debian.make_links_relative(tmp_path)
        assert absolute.read_text() == relative.read_text() == "ours"
        assert (folder / "security").read_text() == "ours"
    moved = tmp_path.rename(tmp_path.with_name("moved"))
    assert (moved / "usr/lib/jvm/security").read_text() == "ours"
