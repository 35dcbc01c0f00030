"""Workers of Celery as a user starts them, of the smallest code location.

Here: starting and stopping them, and waiting. Not here: what is expected of them.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dataflow_assets.runtime.celery import worker
from dataflow_assets.runtime.celery.signs import connect, read_workers
from dataflow_assets.runtime.dagster_home import build_environment
from dataflow_assets.settings import Settings
from dataflow_assets_tests.processes import kill
from dataflow_assets_tests.runtime import tiny_definitions
from dataflow_assets_tests.waiting import wait_until

TOP = Path(__file__).parents[3]
OLDER = """
import sys
from dataflow_assets.runtime.celery import worker
worker.code_version = lambda: "0-0-1-older"
worker._main()
"""


@contextmanager
def working(
    settings: Settings,
    redis_url: str,
    concurrency: int = 1,
    module: str = tiny_definitions.__name__,
    start: tuple[str, ...] = ("-m", worker.__name__),
) -> Iterator[subprocess.Popen[bytes]]:
    """A worker, once it says that it lives, until the block ends; its whole group gets SIGKILL then."""
    before = names(redis_url)
    process = subprocess.Popen(
        [sys.executable, *start, module, str(concurrency)],
        env=os.environ | build_environment(settings) | {"REDIS_URL": redis_url},
        cwd=TOP,
        start_new_session=True,
    )
    try:
        wait_until(lambda: bool(names(redis_url) - before) or process.poll() is not None)
        assert process.poll() is None, "the worker ended"
        yield process
    finally:
        kill_group(process)


def names(redis_url: str) -> set[str]:
    """The workers that give signs of life."""
    return {one.name for one in read_workers(connect(redis_url))}


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL a worker, with which its children die."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    kill(process.pid)
    process.wait()
