"""Processes that have imported the program already: forks of one that has done nothing else yet.

Here: that process, and in such a fork `dataflow` as a command, also of a copy of the program that a test changed, and
what `python -m` runs. Not here: what a test does in one (see `loading`, `terminal`). That the installed program starts,
and what it imports, other tests show.
"""

import atexit
import importlib
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import DupFd
from multiprocessing.util import get_temp_dir
from pathlib import Path
from typing import Any

from dataflow_assets.cli import main

Streams = tuple[int, int, int]

# A fork starts in milliseconds.
WARM = multiprocessing.get_context("forkserver")
WARM.set_forkserver_preload(
    [
        "benchmarks.collect_crashes",
        "benchmarks.collect_places",
        "benchmarks.kafka_ours",
        "dataflow_assets_tests.collectors.kafka_broker",
        "dataflow_assets.definitions",
        "dataflow_assets.doctor",
        "dataflow_assets.orchestration.runs.in_process",
        "dataflow_assets_tests.loading",
        __name__,
    ]
)
NOTHING = os.open(os.devnull, os.O_RDWR)
get_temp_dir()  # where its socket goes: now, before a test lets temporary files go to a folder with a long path


def start_dataflow(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    streams: Streams,
    folder: Path | None = None,
    program: Path | None = None,
) -> BaseProcess:
    """Start a command whose standard streams are these descriptors, in the present folder or another.

    Of a copy of the program, whose folder is given, only our own modules are imported anew.
    """
    sent = [DupFd(stream) for stream in streams]
    place = folder or Path.cwd()
    process = WARM.Process(target=_be_dataflow, args=(list(arguments), dict(environment), place, sent, program))
    process.start()
    return process


def run_dataflow(
    arguments: Sequence[str], environment: Mapping[str, str], folder: Path | None = None, program: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """What a program gets from a command."""
    return _run(
        ["dataflow", *arguments], partial(start_dataflow, arguments, environment, folder=folder, program=program)
    )


def run_module(name: str, arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """What a program gets from `python -m`."""

    def start(streams: Streams) -> BaseProcess:
        sent = [DupFd(stream) for stream in streams]
        process = WARM.Process(target=_be_module, args=(name, list(arguments), dict(environment), Path.cwd(), sent))
        process.start()
        return process

    return _run([name, *arguments], start)


def _run(command: list[str], start: Callable[[Streams], BaseProcess]) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        code = wait_for(start((NOTHING, out.fileno(), err.fileno())))
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(command, code, out.read(), err.read())


def wait_for(process: BaseProcess, seconds: float = 600) -> int:
    """The exit code of a command, which is killed if it does not end."""
    process.join(seconds)
    process.kill()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def _be_dataflow(
    arguments: list[str], environment: dict[str, str], folder: Path, streams: list[Any], program: Path | None
) -> None:
    with _as_a_program(["dataflow", *arguments], environment, folder, streams):
        main() if program is None else _main_of(program)()


def _be_module(name: str, arguments: list[str], environment: dict[str, str], folder: Path, streams: list[Any]) -> None:
    with _as_a_program([name, *arguments], environment, folder, streams):
        runpy.run_module(name, run_name="__main__", alter_sys=True)


@contextmanager
def _as_a_program(command: list[str], environment: dict[str, str], folder: Path, streams: list[Any]) -> Iterator[None]:
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream.detach(), number)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", buffering=1)  # noqa: SIM115
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = command
    try:
        yield
    finally:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()  # what Python does at the end of a program, and not at that of a fork


def _main_of(program: Path) -> Any:
    """The command of a copy of the program, in place of the program that is imported."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "dataflow_assets"]:
        del sys.modules[name]
    sys.path.insert(0, str(program))
    return importlib.import_module("dataflow_assets.cli").main
