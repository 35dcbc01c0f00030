"""What a run logs, on the standard error of the process that makes it, or in a file where a command says so.

Here: from Dagster's records to lines. Not here: what is logged, and the log that the UI shows, which Dagster keeps.
"""

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from dataflow_assets.core.formatting import visible, without_colours
from dataflow_assets.core.logging import is_terminal, json_line, mask_process
from dataflow_assets.runtime.tags import IN_PROCESS, partitions_of
from dataflow_assets.settings import load_settings

_LOG_BYTES = 8 * 2**20
_files: list[TextIO] = []  # where the runs log that this process makes, the last one counts; none: standard error


@contextmanager
def log_runs_to(path: Path) -> Iterator[None]:
    """Let the runs that this process makes log into a file, as JSON, until the block ends.

    It goes on where it was; one that has become long is put aside, with `.1` behind its name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > _LOG_BYTES:
        path.replace(path.with_name(f"{path.name}.1"))
    with path.open("a", encoding="utf-8") as file:
        _files.append(file)
        try:
            yield
        finally:
            _files.remove(file)


class RunLog(logging.Handler):
    """Named by dagster.yaml, made by Dagster for each run; it takes the place of Dagster's own console.

    What the run's own code prints and logs has no secret from then on.
    """

    def __init__(self) -> None:
        super().__init__()
        self._settings = load_settings()
        mask_process(self._settings)

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record's lines, if it is severe enough."""
        about = getattr(record, "dagster_meta", {})
        tags = about.get("job_tags", {})
        if record.levelno >= logging.getLevelName(self._settings.log_level):
            file = _files[-1] if _files and IN_PROCESS in tags else None
            for line in _lines(record, about, tags, self._settings.masked, as_text=file is None and is_terminal()):
                print(line, file=file or sys.stderr, flush=True)
        # Next Dagster gives the record to a console of its own, which would say it a second time: none takes level 0.
        record.levelno = logging.NOTSET


def _lines(
    record: logging.LogRecord,
    about: Mapping[str, Any],
    tags: Mapping[str, str],
    masked: Callable[[str], str],
    *,
    as_text: bool,
) -> Iterator[str]:
    """One line for each partition that the record tells of, or one for all of them."""
    message = about.get("orig_message") or record.getMessage()
    partition = getattr(record, "partition", None) or partitions_of(tags)
    time = datetime.fromtimestamp(record.created, UTC)
    error = masked(_error(about.get("dagster_event")))
    for one, event in getattr(record, "lines", {partition: message}).items():
        if as_text:
            line = f"{time:%H:%M:%S} {record.levelname} {about.get('run_id')} {masked(event)} {error}".rstrip()
            yield visible(without_colours(line))
        else:
            known = {"run_id": about.get("run_id"), "job": about.get("job_name"), "step": about.get("step_key")}
            yield json_line(time, record.levelno, "dagster.run", masked(event), **known, partition=one, error=error)


def _error(event: Any) -> str:
    error = getattr(getattr(event, "event_specific_data", None), "error", None)
    return str(error.to_string()) if error else ""
