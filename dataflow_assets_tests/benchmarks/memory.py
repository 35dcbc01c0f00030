"""The memory of a contestant.

Here: what its own process used at most. Not here: anything that takes time to import.
"""

from pathlib import Path


def peak_rss_mib() -> int:
    """The most memory that this process had at a time; `getrusage` would tell that of the one that started it too."""
    status = Path("/proc/self/status").read_text()
    [kilobytes] = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return round(int(kilobytes) / 1024)
