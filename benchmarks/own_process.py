"""A piece of work in a process of its own, which has imported nothing else: its processor seconds and its memory.

Here: measuring, with nothing imported that takes memory. Not here: any work.
"""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def figures_of(module: str, *arguments: object) -> dict[str, Any]:
    """What a module prints by `print_figures`."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def print_figures(work: Callable[..., int]) -> None:
    """Do some work with the arguments of this process, and print how well; it gives how many messages it brought."""
    idle, start, before = _memory(), time.monotonic(), time.process_time()
    messages = work(*sys.argv[1:])
    seconds, cpu = time.monotonic() - start, time.process_time() - before
    figures = {
        "messages": messages,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
        "messages_per_cpu_second": round(messages / cpu),
        "idle_mib": idle,
        "peak_mib": _memory(),
    }
    print(json.dumps(figures))  # noqa: T201


def _memory() -> int:
    """The most MiB so far. What `getrusage` says is never less than what the process was forked from."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) // 1024
