"""`dataflow serve` as a user starts it.

Here: starting it with the settings of the environment, killing and ending it. Not here: what it is asked.
"""

import os
import signal
import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

DATAFLOW = Path(sysconfig.get_path("scripts")) / "dataflow"


@dataclass(frozen=True)
class Server:
    """A process that answers at `url`; `log` is what it says on standard error."""

    process: subprocess.Popen[str]
    url: str
    log: Path

    def kill(self) -> None:
        """SIGKILL it, and wait until it is dead."""
        self.process.kill()
        self.process.wait(timeout=300)


def start(log: Path, *arguments: str) -> Server:
    """Start the command and wait until it says where it answers; what it says goes to a file."""
    with log.open("a") as errors:
        process = subprocess.Popen(
            [DATAFLOW, "serve", *(arguments or ("--port", "0"))],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=dict(os.environ),
        )
    assert process.stdout
    said = process.stdout.readline()
    assert "http://" in said, log.read_text()
    return Server(process, said.split()[4], log)


@contextmanager
def serving(log: Path) -> Iterator[Server]:
    """The command until the block ends; it must then end by itself, without a failure."""
    server = start(log)
    try:
        yield server
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=300) == 0, log.read_text()
    finally:
        server.kill()
