"""What may be asked of an answer over any window of time.

Here: the value objects that an answer's file fills in, and how a number is shown. Not here: any question, and how all
of them are asked at once (see `questions`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from dataflow_assets.core.time_windows import Window

Days = tuple[date, date]  # the first and the last local day on which a session starts


@dataclass(frozen=True, kw_only=True)
class Option:
    """An option of `dataflow answers`: `outage_movie` is `--outage-movie`. None: it has no default."""

    name: str
    help: str
    default: str | None = None


@dataclass(frozen=True, kw_only=True)
class OwnWindow:
    """A window of a question's own: `engaged` is set by `--engaged-from` and `--engaged-to`.

    `default` gives the bounds that are not set, from the business time zone and the days with sessions (None: there
    are no sessions); it gives None where it has none.
    """

    name: str
    from_help: str
    to_help: str
    default: Callable[[str, Days | None], Window | None]


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What was found: at most one row; and what was asked.

    `window` is None where there are neither bounds nor sessions.
    """

    rows: pl.DataFrame
    window: Window | None
    timezone: str
    options: Mapping[str, str]

    def value(self, column: str, default: int | None = None) -> Any:
        """The value of the only row, or the default where there is none."""
        return self.rows.item(0, column) if self.rows.height else default

    @property
    def bounds(self) -> dict[str, str | None]:
        """The window as JSON: `from` and `to` in ISO 8601, in the business time zone."""
        return bounds(self.window, self.timezone)


@dataclass(frozen=True, kw_only=True)
class Question:
    """What `dataflow answers` asks of an answer.

    - `to_json`: what the reply adds to the command's JSON.
    - `to_lines`: of that, pairs of a title and a value, for a terminal.
    - `rows`: the query, as `rows(**{source: LazyFrame}, window=Window, **options)`; the answer's own `compute` unless
      it is given. It has one row, or none.
    - `options`: what it is told beside the window; each stands in `rows` under its name.
    - `window`: its own, or None: that of all sessions, `--from` to `--to`.
    """

    to_json: Callable[[Reply], dict[str, Any]]
    to_lines: Callable[[Mapping[str, Any]], Iterable[tuple[str, str]]]
    rows: Callable[..., pl.LazyFrame] | None = None
    options: tuple[Option, ...] = ()
    window: OwnWindow | None = None


def bounds(window: Window | None, timezone: str) -> dict[str, str | None]:
    """A window as JSON: `from` and `to` in ISO 8601, or null."""
    if window is None:
        return {"from": None, "to": None}
    zone = ZoneInfo(timezone)
    return {"from": window.start.astimezone(zone).isoformat(), "to": window.end.astimezone(zone).isoformat()}


def show_period(shown: Mapping[str, Any]) -> str:
    """The bounds of a window in a sentence: days where they are midnights, times alone where they are of one day."""
    if shown["from"] is None:
        return "no sessions"
    start, end = (datetime.fromisoformat(shown[bound]) for bound in ("from", "to"))
    if start.time() == end.time() == time():
        return f"{start:%Y-%m-%d} to {end:%Y-%m-%d}"
    return f"{start:%Y-%m-%d %H:%M} to {end:{'%H:%M' if start.date() == end.date() else '%Y-%m-%d %H:%M'}}"


def show_number(value: float | None, form: str) -> str:
    """A number in that form, or a dash where there is none."""
    return "-" if value is None else format(value, form)
