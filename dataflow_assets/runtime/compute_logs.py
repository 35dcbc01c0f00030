"""What runs print: kept in files under DAGSTER_HOME for the UI, and shown where their process shows its own.

Dagster shows it by four processes for each step, two of them Python: a sixth of the time of a small run. Here two
threads do.

Here: keeping and showing. Not here: what a run logs (see `run_log`), and logs in S3 (see `deploy/dagster.yaml`).
"""

import os
import shutil
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self, TextIO

from dagster._core.execution.compute_logs import _fileno, redirect_to_file
from dagster._core.storage.compute_log_manager import CapturedLogContext, ComputeIOType
from dagster._core.storage.local_compute_log_manager import IO_TYPE_EXTENSION, LocalComputeLogManager
from dagster._utils import touch_file

from dataflow_assets.settings import load_settings

_LOOK_SECONDS = 0.1


class ComputeLogs(LocalComputeLogManager):
    """Named by dagster.yaml."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """It takes no configuration: `DATAFLOW_HOME` says everything."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Mapping[str, Any]) -> Self:  # noqa: ARG003
        """Keep the files where Dagster would."""
        return cls(str(load_settings().dagster_home / "storage"), inst_data=inst_data)

    @contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Iterator[CapturedLogContext]:
        """Keep what this process prints until the block ends."""
        out, err = (
            Path(self.get_captured_local_path(log_key, IO_TYPE_EXTENSION[kind]))
            for kind in (ComputeIOType.STDOUT, ComputeIOType.STDERR)
        )
        with _kept(sys.stdout, out), _kept(sys.stderr, err):
            yield CapturedLogContext(log_key)
        touch_file(self.complete_artifact_path(log_key))  # type: ignore[no-untyped-call] # no more will come


@contextmanager
def _kept(stream: TextIO, path: Path) -> Iterator[None]:
    """Let a stream write to the end of a file, and show that where the stream wrote before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    number = _fileno(stream)  # type: ignore[no-untyped-call]
    if number is None:  # as of a notebook's, which Dagster does not redirect either
        yield
        return
    ended = threading.Event()
    showing = threading.Thread(target=_show, args=(path, path.stat().st_size, os.dup(number), ended), daemon=True)
    showing.start()
    try:
        with redirect_to_file(stream, str(path)):
            yield
    finally:
        ended.set()
        showing.join()


def _show(path: Path, start: int, shown: int, ended: threading.Event) -> None:
    """Copy what comes to a file after a place to a file descriptor, until it has ended and all is copied."""
    # A file and not a pipe: what prints never waits for this thread, which waits for Python.
    with suppress(OSError), os.fdopen(shown, "wb") as target, path.open("rb") as source:  # nobody reads it any more
        source.seek(start)
        is_last = False
        while not is_last:
            is_last = ended.wait(_LOOK_SECONDS)
            shutil.copyfileobj(source, target)
            target.flush()
