"""ClickHouse, Prometheus, Alertmanager and kcat from Debian, and how to run what was unpacked.

Always unpacked into tools/, also where the machine has them: nothing of the system starts, stops
or changes, and everybody runs the same versions.
"""

from pathlib import Path

from infra.local.install import debian
from infra.local.problems import InstallError

GROUP = debian.Group(
    "servers",
    ("clickhouse-server", "clickhouse-client", "prometheus", "prometheus-alertmanager", "kcat"),
)
_FOR_PEOPLE = ("kcat", "clickhouse-client", "promtool", "amtool")
"""Programs that a person calls; each gets a short starter in tools/bin."""


def installed(tools: Path) -> bool:
    return debian.installed(tools, GROUP) and all(
        _starter(tools, name).exists() for name in _FOR_PEOPLE
    )


def install(tools: Path) -> None:
    if not debian.installed(tools, GROUP):
        debian.install(tools, GROUP)
    for name in _FOR_PEOPLE:
        _write_starter(tools, name)


def program(tools: Path, path: str) -> str:
    """A program by its path below /. Raises InstallError where it was not installed."""
    found = debian.tree(tools, GROUP) / path
    if not found.exists():
        raise InstallError(f"{found.name} is not installed; run `make install`")
    return str(found)


def environment(tools: Path) -> dict[str, str]:
    """What an unpacked program needs to find its libraries."""
    return {"LD_LIBRARY_PATH": debian.library_path(tools, GROUP)}


def _starter(tools: Path, name: str) -> Path:
    return tools / "bin" / name


def _write_starter(tools: Path, name: str) -> None:
    """A shell script that finds everything from its own place, so that the folder can be moved."""
    starter = _starter(tools, name)
    starter.parent.mkdir(exist_ok=True)
    unfinished = starter.with_suffix(".unfinished")
    real = Path(program(tools, f"usr/bin/{name}")).relative_to(tools)
    libraries = ":".join(
        f"$tools/{folder.relative_to(tools)}" for folder in debian.library_folders(tools, GROUP)
    )
    unfinished.write_text(
        "#!/bin/sh\n"
        'tools=$(dirname "$(dirname "$(readlink -f "$0")")")\n'
        f'LD_LIBRARY_PATH="{libraries}" exec "$tools/{real}" "$@"\n'
    )
    unfinished.chmod(0o755)
    unfinished.replace(starter)
