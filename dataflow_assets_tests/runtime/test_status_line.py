"""The line that `dataflow up` keeps in a terminal, and what it tells of runs that ended."""

import io
import re

import dagster as dg

from dataflow_assets.runtime.instance import open_instance
from dataflow_assets.runtime.status_line import StatusLine
from dataflow_assets.runtime.tags import IN_PROCESS, range_tags
from dataflow_assets.settings import Settings

PAGE = "http://127.0.0.1:3000"


@dg.asset(partitions_def=dg.DailyPartitionsDefinition("2021-12-01", end_date="2022-01-01"))
def fragile(context: dg.AssetExecutionContext) -> None:
    if "2021-12-09" in context.partition_keys:
        raise dg.Failure("no")


def test_runs_that_end_are_told_once_and_counted(settings: Settings, database_url: str) -> None:
    job = dg.Definitions(assets=[fragile]).resolve_implicit_global_asset_job_def()
    terminal = io.StringIO()
    with open_instance(settings) as instance:
        line = StatusLine(database_url, terminal, PAGE, io.StringIO())
        for day, more in (("2021-12-01", {}), ("2021-12-09", {}), ("2021-12-02", {IN_PROCESS: "true"})):
            job.execute_in_process(instance=instance, tags=range_tags(day, day) | more, raise_on_error=False)
        line.look()
        line.look()
        failed, *_ = instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
    told = [text for text in re.split(r"\r\x1b\[2K|\n", terminal.getvalue()) if text]
    assert len([text for text in told if "__ASSET_JOB 2021-12-01: done in " in text]) == 1
    assert told[1].endswith(f"__ASSET_JOB 2021-12-09: failed, see {PAGE}/runs/{failed.dagster_run.run_id}")
    assert told[-1] == f"{PAGE} · up 0:00 · 0 running · 1 done · 1 failed · Ctrl-C"
    assert not any("2021-12-02" in text for text in told), "a command tells of its own runs itself"


def test_what_a_terminal_does_not_hold_is_cut_and_what_would_steer_it_is_shown(database_url: str) -> None:
    terminal = io.StringIO()
    StatusLine(database_url, terminal, PAGE, io.StringIO()).show("x" * 200 + "\x1b[31m")
    assert terminal.getvalue() == "\r\x1b[2K" + "x" * 78 + "…"


def test_the_line_is_drawn_again_only_where_it_changed(database_url: str) -> None:
    terminal = io.StringIO()
    line = StatusLine(database_url, terminal, PAGE, io.StringIO())
    line.show("same")
    line.show("same")
    assert terminal.getvalue() == "\r\x1b[2Ksame"
