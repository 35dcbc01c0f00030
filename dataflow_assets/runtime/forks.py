"""Processes that are forks of one that has imported already what they share.

To import Dagster takes seconds and 60 MiB. A fork takes milliseconds, and memory that nobody changes is there once.
A fork has only the thread that made it, so what is imported before must have started none. Polars starts several, and
without the one that removes what it spilled the disk fills (polars 2.1.0, `findings/polars-forks-keep-spills.sh`).

Here: a fork that has nothing of the process it came from but what that has imported. Not here: importing it (see
`core.garbage`), and what the processes do (see `process_group` and `run_server`).
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from typing import Any

_FORK = multiprocessing.get_context("fork")


def start(title: str, main: Callable[..., None], *arguments: Any, close: Sequence[int]) -> BaseProcess:
    """Start a fork that is called `dataflow TITLE`, without these descriptors and with an empty standard input."""
    process = _FORK.Process(target=_be, args=(title, main, arguments, close))
    process.start()
    return process


def _be(title: str, main: Callable[..., None], arguments: Sequence[Any], close: Sequence[int]) -> None:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for descriptor in close:
        os.close(descriptor)
    _call(title)
    main(*arguments)


def _call(title: str) -> None:
    from setproctitle import setproctitle  # noqa: PLC0415

    keep_environment()
    setproctitle(f"dataflow {title}")


def keep_environment() -> None:
    """Let titles of processes, Celery's too, be as long as the command was: /proc goes on telling the environment."""
    os.environ["SPT_NOENV"] = "1"
