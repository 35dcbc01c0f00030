"""The memory of a contestant; and, as a program, that of the files that take the most: `python -m benchmarks.memory`.

Here: what its own process uses, and used at most. Not here: anything that takes time to import, and the files (see
`worst_files`).
"""

import json
import subprocess
import sys
import tempfile
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


def main(only: str = "") -> None:
    """Print a line for each of the worst files: its bytes, and the peak of preview and of intake, in MiB."""
    from benchmarks.worst_files import SUFFIXES, WORST  # noqa: PLC0415

    for form, files in WORST.items():
        for name, write in files.items():
            if only not in f"{form}: {name}":
                continue
            with tempfile.TemporaryDirectory(prefix="dataflow-bench-") as folder:
                path = Path(folder, f"worst{SUFFIXES[form]}")
                write(path)
                figures = [_measure(work, form, path) for work in ("preview", "intake")]
                print(f"| {form} | {name} | {path.stat().st_size:,} | {' | '.join(figures)} |", flush=True)  # noqa: T201


def _measure(work: str, form: str, path: Path) -> str:
    command = [sys.executable, "-m", "benchmarks.worst_reader", work, form, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode:
        return f"ended with {done.returncode}: {done.stderr.strip().splitlines()[-1:]}"
    found = json.loads(done.stdout)
    return f"{found['peak']} ({found['said']})"


if __name__ == "__main__":
    main(*sys.argv[1:])
