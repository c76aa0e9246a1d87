"""Kafka's and MirrorMaker's jars, copied by Maven from where `pom.xml` says, into tools/kafka-*.

The folder's name holds a digest of the pom, so a changed pom installs anew beside the old one.
"""

import hashlib
import os
import shutil
from pathlib import Path

from infra.local.install import java
from infra.local.install.running import run
from infra.local.problems import InstallError

_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:copy-dependencies"
POM = Path(__file__).resolve().parents[1] / "pom.xml"


def folder(tools: Path) -> Path:
    digest = hashlib.sha256(POM.read_bytes()).hexdigest()[:12]
    return tools / f"kafka-{digest}"


def installed(tools: Path) -> bool:
    return folder(tools).is_dir()


def classpath(tools: Path) -> str:
    """For `java -cp`. Raises InstallError where the jars are not there."""
    if not installed(tools):
        raise InstallError("Kafka is not installed; run `make install`")
    return f"{folder(tools)}/*"


def install(tools: Path) -> None:
    copy(tools, POM, folder(tools), "Kafka's jars")


def copy(tools: Path, pom: Path, target: Path, what: str) -> None:
    """The jars that a pom names, in one rename. Maven keeps what it has fetched, so a repeated run
    goes on where an interrupted one was. Raises InstallError.
    """
    unfinished = target.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    runtime = java.require(tools)
    environment = os.environ | {"JAVA_HOME": str(runtime.resolve().parents[1])}
    command = [
        str(java.require_maven(tools)),
        *("--batch-mode", "--quiet", "--strict-checksums"),
        *("--file", str(pom)),
        *java.maven_options(tools),
        _GOAL,
        f"-DoutputDirectory={unfinished}",
        "-DincludeScope=runtime",
    ]
    run(
        command,
        env=environment,
        failure=f"{what} could not be fetched by Maven; check the network (and Maven's proxy "
        "settings), then run this again",
    )
    unfinished.replace(target)
