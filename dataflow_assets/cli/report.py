"""The command that writes the answers as a page, and the charts that it shares with `dataflow answers --plot`.

Here: reading the answers, and where the page goes. Not here: the page (see `dataflow_assets.report`).
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from dataflow_assets.cli.output import say
from dataflow_assets.errors import NotFoundError
from dataflow_assets.settings import load_settings

if TYPE_CHECKING:
    from dataflow_assets.analytics.charts import Chart

_DAYS = 92  # before the newest partition, which are drawn


def report(out: Annotated[Path, typer.Option(help="The file to write, such as answers.html.")]) -> None:
    """Write the answers and their charts as one page of HTML, which needs no network."""
    from dataflow_assets.analytics.question import show_period
    from dataflow_assets.analytics.questions import answer_lines
    from dataflow_assets.cli.inspect import read_replies
    from dataflow_assets.report import render_report
    from dataflow_assets.warehouse.bootstrap import open_warehouse

    settings = load_settings()
    if not out.absolute().parent.is_dir():
        raise NotFoundError(f"There is no folder {out.absolute().parent}.")
    replies = read_replies(settings, {})
    made_at = datetime.now(ZoneInfo(settings.timezone))
    charts = list(read_charts(open_warehouse(settings)))
    page = render_report(show_period(replies), settings.timezone, made_at, answer_lines(replies), charts)
    draft = out.with_name(f".{out.name}.new")
    draft.write_text(page, encoding="utf-8")
    draft.replace(out)
    say(f"Written: {out}")


def read_charts(url: str) -> Iterator["Chart"]:
    """What there is to draw of each answer, of the months before its newest partition."""
    from dataflow_assets.analytics import all_answers
    from dataflow_assets.analytics.charts import charts_of
    from dataflow_assets.postgres.connection import connect
    from dataflow_assets.postgres.schema import ANALYTICS
    from dataflow_assets.postgres.sql import execute, identifier
    from dataflow_assets.warehouse.scan import scan_answer

    for answer in all_answers():
        table = identifier(ANALYTICS, answer.name)
        with connect(url) as connection:
            [(newest,)] = execute(connection, f"SELECT max({identifier(answer.grain)}) FROM {table}")  # noqa: S608
        if newest is not None:
            days = _days_until(newest)
            yield from charts_of(answer, scan_answer(url, answer.name, answer.schema, days).collect())


def _days_until(newest: date) -> list[date]:
    return [newest - timedelta(days=before) for before in range(_DAYS)]
