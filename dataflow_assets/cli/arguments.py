"""What several commands take, and how it is read.

Here: options that mean the same everywhere. Not here: those of one command.
"""

from datetime import date, timedelta
from typing import Annotated

import typer

from dataflow_assets.errors import SettingsError
from dataflow_assets.settings import Settings

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for a program.")]
Delivered = Annotated[str | None, typer.Option(help="The delivery day, YYYY-MM-DD.")]


def delivery_day(settings: Settings, text: str | None) -> date:
    """The delivery day of a text, today if there is none; it must have a partition."""
    if text is None:
        return settings.today
    day = day_of(text)
    if not settings.first_day <= day <= settings.today + timedelta(days=1):
        raise SettingsError(f"{day} has no partition: days go from {settings.first_day} to tomorrow.")
    return day


def day_of(text: str) -> date:
    """The day of a text."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"{text!r} is not a day; write it like 2021-12-31.") from None
