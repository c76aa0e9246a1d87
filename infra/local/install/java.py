"""Which Java and which Maven to use: the machine's own where they fit, else Debian's in tools/.

Kafka 4 needs Java 17 or newer. `require` and `require_maven` are asked at each start of a broker,
so they look at files and run nothing that was looked at before.
"""

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

from infra.local.install import debian, truststore
from infra.local.problems import InstallError

MINIMUM = 17
GROUP = debian.Group("java", ("openjdk-17-jre-headless", "maven"))


def require(tools: Path) -> Path:
    """The java program. Raises InstallError where there is none that fits."""
    found = _on_machine() or _extracted(tools)
    if found is None:
        raise InstallError(f"there is no Java {MINIMUM} or newer here; run `make install`")
    return found


def require_maven(tools: Path) -> Path:
    """The mvn program. Raises InstallError where there is none."""
    on_path = shutil.which("mvn")
    extracted = debian.tree(tools, GROUP) / "usr/share/maven/bin/mvn"
    if on_path is None and not extracted.exists():
        raise InstallError("there is no Maven here; run `make install`")
    return Path(on_path) if on_path else extracted


def installed(tools: Path) -> bool:
    extracted = debian.installed(tools, GROUP)
    return extracted or (_on_machine() is not None and shutil.which("mvn") is not None)


def install(tools: Path) -> None:
    debian.install(tools, GROUP)


def release(runtime: Path) -> str:
    """What a runtime tells of its build, without running it; empty where it tells nothing."""
    told = runtime.parents[1] / "release"
    return told.read_text() if told.exists() else ""


def maven_options(tools: Path) -> list[str]:
    """An extracted Java has no certificates: Debian makes them when it installs the package."""
    if _on_machine() is not None:
        return []
    store = truststore.write(tools / "certificates.jks")
    return [
        f"-Djavax.net.ssl.trustStore={store}",
        "-Djavax.net.ssl.trustStoreType=jks",
        f"-Djavax.net.ssl.trustStorePassword={truststore.PASSWORD}",
    ]


def _extracted(tools: Path) -> Path | None:
    found = sorted(debian.tree(tools, GROUP).glob("usr/lib/jvm/java-17-openjdk-*/bin/java"))
    return found[0] if found else None


@cache
def _on_machine() -> Path | None:
    """JAVA_HOME, then PATH; a runtime that cannot say a fitting version is passed over."""
    home = os.environ.get("JAVA_HOME")
    for candidate in (home and f"{home}/bin/java", shutil.which("java")):
        if candidate and (_version(candidate) or 0) >= MINIMUM:
            return Path(candidate)
    return None


def _version(java: str) -> int | None:
    try:
        answer = subprocess.run(
            [java, "-version"], capture_output=True, text=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'version "(\d+)', answer.stderr)
    return int(found[1]) if found and answer.returncode == 0 else None
