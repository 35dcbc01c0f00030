"""What a run logs, on the standard error of the process that makes it.

Here: from Dagster's records to lines. Not here: what is logged, and the log that the UI shows, which Dagster keeps.
"""

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from dataflow_assets.core.formatting import visible, without_colours
from dataflow_assets.core.logging import is_terminal, json_line
from dataflow_assets.runtime.tags import IN_PROCESS, partitions_of
from dataflow_assets.settings import load_settings


class RunLog(logging.Handler):
    """Named by dagster.yaml, made by Dagster for each run; it takes the place of Dagster's own console.

    In a terminal nothing is said of a run that a command makes: the command shows its progress there.
    """

    def __init__(self) -> None:
        super().__init__()
        self._settings = load_settings()

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record's lines, if it is severe enough."""
        about = getattr(record, "dagster_meta", {})
        tags = about.get("job_tags", {})
        if record.levelno >= logging.getLevelName(self._settings.log_level) and not (
            is_terminal() and IN_PROCESS in tags
        ):
            for line in _lines(record, about, tags, self._settings.masked):
                print(line, file=sys.stderr, flush=True)  # noqa: T201
        # Next Dagster gives the record to a console of its own, which would say it a second time: none takes level 0.
        record.levelno = logging.NOTSET


def _lines(
    record: logging.LogRecord, about: Mapping[str, Any], tags: Mapping[str, str], masked: Callable[[str], str]
) -> Iterator[str]:
    """One line for each partition that the record tells of, or one for all of them."""
    message = about.get("orig_message") or record.getMessage()
    partition = getattr(record, "partition", None) or partitions_of(tags)
    time = datetime.fromtimestamp(record.created, UTC)
    error = masked(_error(about.get("dagster_event")))
    for one, event in getattr(record, "lines", {partition: message}).items():
        if is_terminal():
            line = f"{time:%H:%M:%S} {record.levelname} {about.get('run_id')} {masked(event)} {error}".rstrip()
            yield visible(without_colours(line))
        else:
            known = {"run_id": about.get("run_id"), "job": about.get("job_name"), "step": about.get("step_key")}
            yield json_line(time, record.levelno, "dagster.run", masked(event), **known, partition=one, error=error)


def _error(event: Any) -> str:
    error = getattr(getattr(event, "event_specific_data", None), "error", None)
    return str(error.to_string()) if error else ""
