"""The command that writes the answers as a page.

Here: reading the answers, and where the page goes. Not here: the page (see `dataflow_assets.report`).
"""

from datetime import datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from dataflow_assets.cli.output import say
from dataflow_assets.core.files import explain_full_disk
from dataflow_assets.errors import NotFoundError, UsageError
from dataflow_assets.settings import load_settings


def report(out: Annotated[Path, typer.Option(help="The file to write, such as answers.html.")]) -> None:
    """Write the answers and their charts as one page of HTML.

    The page needs no network.
    """
    from dataflow_assets.analytics import all_answers
    from dataflow_assets.analytics.question import show_period
    from dataflow_assets.analytics.questions import answer_lines
    from dataflow_assets.cli.inspect import read_replies
    from dataflow_assets.report import render_report
    from dataflow_assets.warehouse.bootstrap import open_warehouse
    from dataflow_assets.warehouse.charts import read_charts

    settings = load_settings()
    if not out.absolute().parent.is_dir():
        raise NotFoundError(f"There is no folder {out.absolute().parent}.")
    if out.is_dir():
        raise UsageError(f"{out} is a folder; name a file in it, such as {out / 'answers.html'}.")
    replies = read_replies(settings, {})
    made_at = datetime.now(ZoneInfo(settings.timezone))
    charts = list(read_charts(open_warehouse(settings), all_answers()))
    page = render_report(show_period(replies), settings.timezone, made_at, answer_lines(replies), charts)
    draft = out.with_name(f".{out.name}.new")
    with explain_full_disk(out.parent):
        draft.write_text(page, encoding="utf-8")
        draft.replace(out)
    say(f"Written: {out}")
