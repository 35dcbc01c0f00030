"""`dataflow up` as a user starts it.

Here: starting and stopping it. Not here: what it runs, and what is expected of it.
"""

import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dataflow_assets_tests.processes import kill_all, wait_until_gone

# The whole platform with the smallest code location, and without the HTTP API.
SMALLEST = """
import sys
from dataflow_assets.runtime.up import up
from dataflow_assets.settings import load_settings
sys.exit(up(load_settings(), int(sys.argv[1]), module="dataflow_assets_tests.runtime.tiny_definitions"))
"""


@contextmanager
def up(folder: Path, program: Path | None = None) -> Iterator[tuple[int, int]]:
    """The command in a folder, with the settings of the environment, until the block ends.

    The block gets the ports of its UI and of its HTTP API.
    """
    dataflow = program or Path(sysconfig.get_path("scripts")) / "dataflow"
    with _running(folder, str(dataflow), "up", "--port", "0", "--api-port", "0") as ports:
        yield ports[0], ports[1]


@contextmanager
def smallest_up(folder: Path) -> Iterator[None]:
    """The same of the smallest code location."""
    with _running(folder, sys.executable, "-c", SMALLEST, "0"):
        yield


@contextmanager
def _running(folder: Path, *command: str) -> Iterator[list[int]]:
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=(folder / "stderr").open("w"),
        text=True,
        cwd=folder,
        env=dict(os.environ),
    )
    try:
        assert process.stdout
        ports = re.findall(r":(\d+)", process.stdout.readline())
        assert ports, (folder / "stderr").read_text()
        yield [int(port) for port in ports]
        process.terminate()
        process.communicate(timeout=300)
        assert process.returncode == 0, (folder / "stderr").read_text()
        left = wait_until_gone(folder)
        assert left == {}, left
    finally:
        kill_all(folder)
