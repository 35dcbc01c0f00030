"""`dataflow up` as a user starts it.

Here: starting and stopping it. Not here: what it runs, and what is expected of it.
"""

import os
import re
import socket
import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dataflow_assets_tests.processes import kill_all, wait_until_gone


@contextmanager
def up(folder: Path, program: Path | None = None) -> Iterator[tuple[int, int]]:
    """The command in a folder, with the settings of the environment, until the block ends.

    The block gets the ports of its UI and of its HTTP API.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = subprocess.Popen(
        [program or Path(sysconfig.get_path("scripts")) / "dataflow", "up", "--port", str(port), "--api-port", "0"],
        stdout=subprocess.PIPE,
        stderr=(folder / "stderr").open("w"),
        text=True,
        cwd=folder,
        env=dict(os.environ),
    )
    try:
        assert process.stdout
        ports = re.findall(r":(\d+)", process.stdout.readline())
        assert ports[:1] == [str(port)], (folder / "stderr").read_text()
        yield port, int(ports[1])
        process.terminate()
        process.communicate(timeout=300)
        assert process.returncode == 0, (folder / "stderr").read_text()
        assert wait_until_gone(folder) == {}
    finally:
        kill_all(folder)
