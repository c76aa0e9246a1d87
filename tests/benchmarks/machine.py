"""On what, with what and when a figure was measured; no name and no path of the machine."""

import datetime as dt
import os
import platform
from importlib import metadata
from pathlib import Path

import psutil

from streams.settings import Settings

_PACKAGES = (
    "tidemill",
    "confluent-kafka",
    "faust-streaming",
    "msgspec",
    "rocksdict",
    "numpy",
    "tritonclient",
    "nvidia-pytriton",
    "torch",
)


def head(benchmark: str, command: str) -> dict[str, object]:
    """What every document begins with."""
    return {
        "benchmark": benchmark,
        "date": today(),
        "command": command,
        "machine": described(),
        "versions": versions(),
        "settings": given(),
    }


def given() -> dict[str, str]:
    """The settings of a worker that the environment gave; those that a benchmark sets itself are
    overridden by it.
    """
    names = (f"TIDEMILL_{name.upper()}" for name in Settings.model_fields)
    return {name: os.environ[name] for name in names if name in os.environ}


def described() -> dict[str, object]:
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
    }


def versions() -> dict[str, str]:
    """What the figures depend on; the peers' own versions are in their locks."""
    found = {"python": platform.python_version(), "kafka": "4.3.1"}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def today() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%d")


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()
