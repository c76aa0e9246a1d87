"""How a small Java program of Kafka's is run here: a broker, MirrorMaker.

The usual flags keep one with its JVM below 200 MB and have it start soon; everything else is as a
cluster has it.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from infra.local.install import jars, java

ENVIRONMENT = {
    # glibc reserves an arena a thread otherwise, and these have many threads.
    "MALLOC_ARENA_MAX": "2"
}
SMALL = (
    "-XX:+UseSerialGC",
    "-Xss256k",
    "-XX:TieredStopAtLevel=1",
    "-XX:ReservedCodeCacheSize=48m",
)
AS_SHIPPED = (
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
)
"""What Kafka's own scripts say: code is compiled fully, which pays after half a minute of load."""
_ALWAYS = (
    "-XX:-UsePerfData",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
)

Program = Literal["broker", "mirror"]
"""Which class archive: the tools of a broker use the broker's."""


def command(
    tools: Path,
    heap_mb: int,
    *,
    program: Program,
    quiet: tuple[str, ...],
    flags: tuple[str, ...] = SMALL,
) -> tuple[str, ...]:
    """What stands before the name of the main class. Only warnings are logged of the classes and
    packages in `quiet`. Raises InstallError.
    """
    levels = (f"-Dorg.slf4j.simpleLogger.log.{name}=warn" for name in quiet)
    archive = in_folder(archives(tools))[program]
    sharing = _sharing(archive) if archive.exists() and flags == SMALL else ()
    classes = ("-cp", jars.classpath(tools))
    options = (f"-Xmx{heap_mb}m", *flags, *_ALWAYS, *sharing, *levels, *classes)
    return (str(java.require(tools)), *options)


def archives(tools: Path) -> Path:
    """The folder of the class archives (`infra.local.install.archive`) of this Java, these flags
    and these jars; Java uses them with no other. It goes with the jars. Raises InstallError.
    """
    runtime = java.require(tools).resolve()
    fitting = (str(runtime), java.release(runtime), *SMALL, *_ALWAYS, jars.classpath(tools))
    digest = hashlib.sha256("\n".join(fitting).encode()).hexdigest()[:12]
    return jars.folder(tools) / f"archives-{digest}"


def in_folder(folder: Path) -> Mapping[Program, Path]:
    """The class archive of each program in such a folder, there or not."""
    return {"broker": folder / "broker.jsa", "mirror": folder / "mirror.jsa"}


def _sharing(archive: Path) -> tuple[str, ...]:
    """One that does not fit after all is passed over; the second option keeps Java silent of it."""
    return (f"-XX:SharedArchiveFile={archive}", "-Xlog:cds*=off")
