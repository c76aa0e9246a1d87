"""Class archives: what a broker and MirrorMaker load of Java's classes, read and verified once.

That is a third or more of what their start costs. Java writes an archive of the classes that a
process has loaded when the process ends, so each program runs once, on free ports and in a folder
that goes with it. Nothing needs the archives; `infra.local.jvm` uses those that are there.
Decision 34.
"""

import os
import shutil
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from infra import topics
from infra.local import jvm, kafka, mirror, ports, supervisor
from infra.local.home import Home
from infra.local.install import jars, java
from infra.local.install.running import run
from infra.local.problems import InstallError
from infra.local.supervisor import Server

_STOP_TIMEOUT_S = 120.0
"""Writing takes some seconds of CPU, and killed over it Java leaves an archive cut short."""


def installed(tools: Path) -> bool:
    return java.installed(tools) and jars.installed(tools) and jvm.archives(tools).is_dir()


def install(tools: Path) -> None:
    """All appear in one rename. A Java that writes none is said to, and not asked again."""
    target = jvm.archives(tools)
    unfinished = target.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    with TemporaryDirectory() as folder:
        record(Home(Path(folder), tools), unfinished)
    written = [path for path in jvm.in_folder(unfinished).values() if path.exists()]
    for archive in written:
        _check(tools, archive)
        with archive.open("rb") as file:
            os.fsync(file.fileno())
    unfinished.replace(target)
    if not written:
        raise InstallError(f"{java.require(tools)} writes no class archives")


def record(home: Home, into: Path) -> None:
    """Run a broker and a MirrorMaker until they answer, and end them; one cluster is both ends of
    the mirror. Raises LocalError, TopicsError.
    """
    port = ports.free_port()
    controller_port = ports.free_port(frozenset((port,)))
    mirror_port = ports.free_port(frozenset((port, controller_port)))
    broker = kafka.Kafka(port, controller_port, stop_timeout_s=_STOP_TIMEOUT_S)
    mirrored = mirror.Mirror(
        "here",
        broker.bootstrap,
        {"there": broker.bootstrap},
        mirror_port,
        stop_timeout_s=_STOP_TIMEOUT_S,
    )
    archives = jvm.in_folder(into)
    try:
        supervisor.start(home, [_recorded(kafka.server(home, broker), archives["broker"])])
        topics.create(broker.bootstrap, 1, mirrored.region, mirrored.peers)
        supervisor.start(home, [_recorded(mirror.server(home, mirrored), archives["mirror"])])
    finally:
        supervisor.stop(home.run)


def _recorded(server: Server, archive: Path) -> Server:
    return replace(
        server, command=_with_options(server.command, f"-XX:ArchiveClassesAtExit={archive}")
    )


def _check(tools: Path, archive: Path) -> None:
    """Java would crash over one that was cut short. Raises InstallError."""
    command = _with_options(
        jvm.command(tools, 64, program="broker", quiet=()),
        f"-XX:SharedArchiveFile={archive}",
        "-Xshare:on",
        "-XX:+VerifySharedSpaces",
    )
    run(
        [*command, "-version"],
        cwd=archive.parent,  # where a crash leaves its report
        failure=f"Java cannot use the class archive {archive.name} that it wrote",
    )


def _with_options(command: tuple[str, ...], *options: str) -> tuple[str, ...]:
    """Among those of Java, which may stand behind a command of ours."""
    at = command.index("-cp")
    return (*command[:at], *options, *command[at:])
