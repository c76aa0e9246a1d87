"""The log file of each process: opened for it, put aside when large, and quoted in errors."""

from pathlib import Path

KEPT = 3
"""Old logs a process keeps beside the current one."""


def open_log(logs: Path, name: str, limit_bytes: int) -> Path:
    """The file a process that starts now writes to. A log beyond the limit becomes `<name>.log.1`,
    that one `.2`, and so on.
    """
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / f"{name}.log"
    if log.exists() and log.stat().st_size > limit_bytes:
        for number in range(KEPT, 0, -1):
            older = log if number == 1 else logs / f"{name}.log.{number - 1}"
            if older.exists():
                older.replace(logs / f"{name}.log.{number}")
    log.touch()
    return log


def last_lines(log: Path, from_byte: int = 0, lines: int = 15) -> str:
    """The end of what was written since `from_byte`, for a person who must find the cause."""
    limit_bytes = 64 * 1024
    try:
        with log.open("rb") as file:
            file.seek(max(from_byte, log.stat().st_size - limit_bytes))
            text = file.read(limit_bytes).decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
