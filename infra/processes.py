"""Which process it is, whatever becomes of its pid and of the clock."""

from pathlib import Path


def identity(pid: int) -> str:
    """No other process of this machine has it or had it. Raises OSError where there is none.

    The boot, and the hundredths from then to the process's start. A time of creation on the clock
    would not do: the kernel works out when it booted anew from the clock, so it moves where the
    clock is set.
    """
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    _, _, behind_name = stat.rpartition(")")  # a name may hold anything, brackets too
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot}/{behind_name.split()[_STARTTIME]}"


_STARTTIME = 19
"""Where proc_pid_stat(5) has it, behind the name."""
