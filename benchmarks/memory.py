"""The memory of a contestant.

Here: what its own process uses, and used at most. Not here: anything that takes time to import.
"""

from pathlib import Path


def peak_rss_mib() -> int:
    """The most memory that this process had at a time; `getrusage` would tell that of the one that started it too."""
    return _status("VmHWM")


def rss_mib() -> int:
    """The memory that this process has now."""
    return _status("VmRSS")


def _status(name: str) -> int:
    status = Path("/proc/self/status").read_text()
    [kilobytes] = [line.split()[1] for line in status.splitlines() if line.startswith(f"{name}:")]
    return round(int(kilobytes) / 1024)
