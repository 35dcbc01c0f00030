"""What a process of the platform says on standard error: text in a terminal, JSON lines elsewhere, never a secret.

A line of JSON has the names that Dagster's own logs have: `timestamp`, `level`, `logger` and `event`, the message.

Here: how a message becomes a line. Not here: what is said, and what a run logs (see `runtime.run_log`).
"""

import logging
import sys
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TextIO, cast

from dataflow_assets.core.formatting import to_json, visible, without_colours
from dataflow_assets.settings import Settings

_BEGINNINGS = {logging.ERROR: "Error: ", logging.WARNING: "Note: "}


def is_terminal() -> bool:
    """Whether a person reads standard error; progress may be shown there, by what stands in its place meanwhile."""
    return bool(getattr(sys.stderr, "rich_proxied_file", sys.stderr).isatty())


def format_line(sentence: str, level: int = logging.INFO) -> str:
    """A sentence of a command, in which secrets are masked already, as a line for standard error."""
    if is_terminal():
        return _BEGINNINGS.get(level, "") + visible(without_colours(sentence))
    return json_line(datetime.now(UTC), level, "dataflow", sentence)


def json_line(time: datetime, level: int, logger: str, event: str, **known: str | None) -> str:
    """A line of JSON; what is not known is left out."""
    message = {"timestamp": time.isoformat(), "level": logging.getLevelName(level).lower(), "logger": logger}
    about = {name: value for name, value in known.items() if value}
    return to_json({**message, "event": event, **about})


def mask_process(settings: Settings) -> None:
    """From now on nothing that this process logs or prints, whoever does, has a secret in it.

    What is written past Python's `sys.stdout` and `sys.stderr`, by a library in C or a program that is started, is not
    looked at. Of several calls the last one counts.
    """
    factory = logging.getLogRecordFactory()
    factory = factory.make if isinstance(factory, _MaskedRecords) else factory
    logging.setLogRecordFactory(_MaskedRecords(factory, settings.masked))
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        stream = stream.stream if isinstance(stream, _MaskedStream) else stream
        setattr(sys, name, cast("TextIO", _MaskedStream(stream, settings.masked)))


class _MaskedRecords:
    """Makes records of logs whose message, with the traceback, has no secret."""

    def __init__(self, make: Callable[..., logging.LogRecord], mask: Callable[[str], str]) -> None:
        self.make, self._mask = make, mask

    def __call__(self, *args: object, **kwargs: object) -> logging.LogRecord:
        record = self.make(*args, **kwargs)
        message = str(record.msg)
        with suppress(Exception):  # a message that does not fit its arguments: who formats it says so
            message = record.getMessage()
        text = message
        if record.exc_info and record.exc_info[1]:
            text += "\n" + "".join(traceback.format_exception(record.exc_info[1])).rstrip()
            record.exc_info = None
        if (clean := self._mask(text)) != message:
            record.msg, record.args = clean, ()
        return record


class _MaskedStream:
    """A text stream into which no secret is written, and which is otherwise the one that it is made of."""

    def __init__(self, stream: TextIO, mask: Callable[[str], str]) -> None:
        self.stream, self._mask = stream, mask

    def write(self, text: str) -> int:
        self.stream.write(self._mask(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)
