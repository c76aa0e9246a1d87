"""Triton's parts that its wheel does not put where they are needed.

The server, its libraries and the Python backend come with the wheel. The backend looks for its
stub beside itself, and the wheel keeps one a Python version elsewhere; so a backend folder of our
own holds the backend and the stub of this Python. The stub needs libpython, which Debian's Python
does not bring with it.
"""

import importlib.util
import shutil
import sysconfig
from importlib import metadata
from pathlib import Path

from infra.local.install import debian
from infra.local.problems import InstallError

LIBPYTHON = debian.Group("libpython", ("libpython3.11",), needs=False)
_LIBRARY = "libpython3.11.so.1.0"


def installed(tools: Path) -> bool:
    return backends(tools).is_dir() and _libpython(tools) is not None


def install(tools: Path) -> None:
    if _libpython(tools) is None:
        debian.install(tools, LIBPYTHON)
    if not backends(tools).is_dir():
        _copy_backend(backends(tools))


def program() -> str:
    return str(_wheel() / "bin/tritonserver")


def backends(tools: Path) -> Path:
    """The folder for `--backend-directory`; a new version of the wheel gets a new one."""
    return tools / f"triton-backends-{metadata.version('nvidia-pytriton')}"


def library_path(tools: Path) -> str:
    """The wheel's libraries and the folder of libpython, for LD_LIBRARY_PATH."""
    libpython = _libpython(tools)
    if libpython is None:
        raise InstallError(f"{_LIBRARY} is not installed; run `make install`")
    return f"{site_packages() / 'nvidia_pytriton.libs'}:{libpython}"


def site_packages() -> Path:
    return _wheel().parents[1]


def _wheel() -> Path:
    found = importlib.util.find_spec("pytriton")
    if found is None or found.origin is None:
        raise InstallError("Triton's wheel is not in this environment; run `make install`")
    return Path(found.origin).parent / "tritonserver"


def _copy_backend(target: Path) -> None:
    unfinished = target.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    python = unfinished / "python"
    shutil.copytree(_wheel() / "backends/python", python)
    shutil.copy2(_wheel() / "python_backend_stubs/3.11/triton_python_backend_stub", python)
    unfinished.replace(target)


def _libpython(tools: Path) -> Path | None:
    """The folder that holds it: the interpreter's own where it has one."""
    own = Path(sysconfig.get_config_var("LIBDIR"))
    # Debian's interpreter may name /usr/lib and mean the folder of the architecture below it.
    of_architecture = own / (sysconfig.get_config_var("MULTIARCH") or "")
    candidates = [own, of_architecture, *debian.library_folders(tools, LIBPYTHON)]
    return next((folder for folder in candidates if (folder / _LIBRARY).exists()), None)
