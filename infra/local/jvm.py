"""How a small Java program of Kafka's is run here: a broker, MirrorMaker.

The flags keep one with its JVM below 200 MB; everything else is as a cluster has it.
"""

from pathlib import Path

from infra.local.install import jars, java

ENVIRONMENT = {
    # glibc reserves an arena a thread otherwise, and these have many threads.
    "MALLOC_ARENA_MAX": "2"
}
_FLAGS = (
    "-XX:+UseSerialGC",
    "-Xss256k",
    "-XX:TieredStopAtLevel=1",
    "-XX:ReservedCodeCacheSize=48m",
    "-XX:-UsePerfData",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
)


def command(tools: Path, heap_mb: int, *, quiet: tuple[str, ...]) -> tuple[str, ...]:
    """What stands before the name of the main class. Only warnings are logged of the classes and
    packages in `quiet`. Raises InstallError.
    """
    levels = (f"-Dorg.slf4j.simpleLogger.log.{name}=warn" for name in quiet)
    classes = ("-cp", jars.classpath(tools))
    return (str(java.require(tools)), f"-Xmx{heap_mb}m", *_FLAGS, *levels, *classes)
