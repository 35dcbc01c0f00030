"""What several commands take, and how it is read.

Here: options that mean the same everywhere. Not here: those of one command.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow_assets.errors import DataFlowError, NotFoundError, UsageError
from dataflow_assets.settings import Settings

if TYPE_CHECKING:
    from dataflow_assets.sources.base import Source

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for a program.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Show what the runs log, instead of keeping it in a file.")
]
Delivered = Annotated[str | None, typer.Option(help="The delivery day, YYYY-MM-DD.")]


@contextmanager
def as_usage_error(kind: type[DataFlowError]) -> Iterator[None]:
    """Raise errors of a kind as wrong usage: what an option said causes them."""
    try:
        yield
    except kind as error:
        raise UsageError(str(error)) from None


def source_of(name: str) -> "Source":
    """The source that an option names."""
    from dataflow_assets.sources import find_source

    with as_usage_error(NotFoundError):
        return find_source(name)


def delivery_day(settings: Settings, text: str | None) -> date:
    """The delivery day of a text, today if there is none; it must have a partition."""
    if text is None:
        return settings.today
    day = day_of(text)
    if not settings.first_day <= day <= settings.today + timedelta(days=1):
        raise UsageError(f"{day} has no partition: days go from {settings.first_day} to tomorrow.")
    return day


def day_of(text: str) -> date:
    """The day of a text."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is not a day; write it like 2021-12-31.") from None
