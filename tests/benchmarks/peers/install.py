"""Install what the engines compared with need, into the tools folder: jars and an environment.

Each in a folder named by a digest of what it is made from, so a change installs anew beside the
old; what is there already is left alone. Never part of `make install`: only benchmarks want it.
"""

import hashlib
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from infra.local.install import java
from infra.local.install.running import run
from infra.local.problems import InstallError

_HERE = Path(__file__).parent
_LOCK = _HERE / "requirements.lock"
_RECOMMENDERS = _HERE / "recommenders" / "requirements.lock"
_STREAMS = _HERE / "kafka_streams"
_POM, _SOURCE = _STREAMS / "pom.xml", _STREAMS / "Peer.java"
_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:copy-dependencies"
_RELEASE = "17"
_NETWORK = "check the network (and {} settings), then run this again"


def python(tools: Path, report: Callable[[str], None]) -> Path:
    """The interpreter of the environment with quixstreams, bytewax and matplotlib."""
    return _python(tools, _LOCK, "quixstreams, bytewax and matplotlib", report)


def recommenders(tools: Path, report: Callable[[str], None]) -> Path:
    """The interpreter of the environment with RecTools and implicit; 5 GB, most of it torch."""
    return _python(tools, _RECOMMENDERS, "RecTools and implicit", report)


def _python(tools: Path, lock: Path, what: str, report: Callable[[str], None]) -> Path:
    folder = tools / f"peers-python-{_digest(lock)}"
    if not folder.is_dir():
        report(f"installing {what} into an environment of their own")
        _finished(folder, lambda unfinished: _make_environment(unfinished, lock))
    return folder / "bin" / "python"


def kafka_streams(tools: Path, report: Callable[[str], None]) -> list[str]:
    """The command of the Kafka Streams peer, without its arguments."""
    jars = tools / f"peers-jars-{_digest(_POM)}"
    if not jars.is_dir():
        report("fetching Kafka Streams and RocksDB by Maven")
        _finished(jars, lambda unfinished: _copy_jars(tools, unfinished))
    classes = tools / f"peers-classes-{_digest(_POM, _SOURCE)}"
    if not classes.is_dir():
        _finished(classes, lambda unfinished: _compile(tools, jars, unfinished))
    return [
        str(java.require(tools)),
        "-Xmx2g",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-cp",
        f"{classes}:{jars}/*",
        "Peer",
    ]


def _digest(*files: Path) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def _finished(folder: Path, make: Callable[[Path], None]) -> None:
    """The folder appears in one rename, so one that is there is whole."""
    unfinished = folder.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    make(unfinished)
    unfinished.replace(folder)


def _make_environment(folder: Path, lock: Path) -> None:
    """An environment may be moved as long as only its python is called."""
    failure = f"the benchmarks' peers could not be installed; {_NETWORK.format('pip or uv')}"
    uv = os.environ.get("TIDEMILL_UV") or shutil.which("uv")
    if uv is not None:
        run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], failure=failure)
        pip = [uv, "pip", "install", "--quiet", "--python", str(folder / "bin" / "python")]
    else:
        run(
            [sys.executable, "-m", "venv", str(folder)],
            failure="neither uv nor Python's venv is there; install one of them",
        )
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    run([*pip, "--require-hashes", "-r", str(lock)], failure=failure)


def _copy_jars(tools: Path, folder: Path) -> None:
    home = java.require(tools).resolve().parents[1]
    run(
        [
            str(java.require_maven(tools)),
            *("--batch-mode", "--quiet", "--strict-checksums"),
            *("--file", str(_POM)),
            *java.maven_options(tools),
            _GOAL,
            f"-DoutputDirectory={folder}",
            "-DincludeScope=runtime",
        ],
        env=os.environ | {"JAVA_HOME": str(home)},
        failure=f"Kafka Streams could not be fetched; {_NETWORK.format('Maven')}",
    )


def _compile(tools: Path, jars: Path, folder: Path) -> None:
    folder.mkdir()
    run(
        [str(_javac(tools)), "--release", _RELEASE, "-cp", f"{jars}/*", "-d", str(folder),
         str(_SOURCE)],
        failure="the Kafka Streams peer does not compile",
    )  # fmt: skip


def _javac(tools: Path) -> Path:
    beside = java.require(tools).resolve().with_name("javac")
    found = str(beside) if beside.exists() else shutil.which("javac")
    if found is None:
        raise InstallError(
            "the Kafka Streams peer needs a Java compiler and there is no javac here; install a "
            "JDK (on Debian: apt-get install openjdk-17-jdk-headless), or leave the engine out"
        )
    return Path(found)
