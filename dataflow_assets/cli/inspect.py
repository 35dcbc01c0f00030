"""The commands that look at what there is, and change nothing.

Here: arguments and how the findings are printed. Not here: work.
"""

import argparse
import math
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from dataflow_assets.cli.arguments import Json, as_usage_error, day_of, source_of
from dataflow_assets.cli.output import print_json, print_line, print_sentence, print_table, say
from dataflow_assets.cli.results import Format, print_query
from dataflow_assets.errors import NotFoundError, SettingsError, UsageError
from dataflow_assets.settings import Settings, load_settings

if TYPE_CHECKING:
    from dataflow_assets.doctor import Finding
    from dataflow_assets.landing.deliveries import Expected


class State(StrEnum):
    """What may have become of a version of a landed object."""

    LANDED = "landed"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    QUARANTINED = "quarantined"
    SUPERSEDED = "superseded"
    STRAY = "stray"


def query(
    file: Annotated[Path | None, typer.Option("-f", "--file", help="A file with one SQL statement.")] = None,
    command: Annotated[str | None, typer.Option("-c", "--command", help="One SQL statement.")] = None,
    output: Annotated[Format, typer.Option("--format", help="How to print the rows.")] = Format.TABLE,
    for_spreadsheet: Annotated[
        bool, typer.Option("--for-spreadsheet", help="In CSV, a quote before texts that would be formulas.")
    ] = False,
    timeout: Annotated[int, typer.Option(min=1, help="Seconds after which the server ends the statement.")] = 600,
) -> None:
    """Run one SQL statement that reads the warehouse."""
    from dataflow_assets.warehouse.bootstrap import open_warehouse

    if (file is None) == (command is None):
        raise UsageError("Give the statement by -c, or a file with it by -f.")
    if file is not None and not file.is_file():
        raise NotFoundError(f"There is no file {file}.")
    if for_spreadsheet and output is not Format.CSV:
        raise UsageError("--for-spreadsheet goes with --format csv.")
    statement = _read_statement(file, command)
    url = open_warehouse(load_settings())
    print_query(url, statement, output, timeout, for_spreadsheet=for_spreadsheet)


def _read_statement(file: Path | None, command: str | None) -> str:
    try:
        text = (command or "") if file is None else file.read_text(encoding="utf-8-sig")
        text.encode()  # an argument may hold bytes that are none
    except UnicodeError:
        text = "\0"
    if "\0" in text:
        raise UsageError(f"{file or 'The statement'} is no text in UTF-8; save it as such.")
    return text


def answers(context: typer.Context) -> None:
    """Answer the questions, over any window.

    Times without a zone are in DATAFLOW_TIMEZONE.
    """
    given = vars(_questions_parser().parse_args(context.args))
    as_json, plot = given.pop("json"), given.pop("plot")
    settings = load_settings()
    print_answers(settings, given, as_json=as_json)
    if plot and not as_json:
        _print_charts(settings)


def _print_charts(settings: Settings) -> None:
    from dataflow_assets.analytics import all_answers
    from dataflow_assets.cli.plots import draw
    from dataflow_assets.warehouse.bootstrap import open_warehouse
    from dataflow_assets.warehouse.charts import read_charts

    width = Console().width
    for chart in read_charts(open_warehouse(settings), all_answers()):
        for line in draw(chart, width):
            print_line(line)


def _questions_parser() -> argparse.ArgumentParser:
    """What reads the options of `answers`. The answers declare them, so they are not known until the command runs."""
    from dataflow_assets.analytics.questions import all_options

    parser = argparse.ArgumentParser(prog="dataflow answers", description=answers.__doc__, allow_abbrev=False)
    for option in all_options():
        default = f" [default: {option.default}]" if option.default else ""
        parser.add_argument(f"--{option.name.replace('_', '-')}", dest=option.name, help=option.help + default)
    parser.add_argument("--json", action="store_true", help="Print JSON, for a program.")
    parser.add_argument("--plot", action="store_true", help="Draw the answers of the last months, too.")
    return parser


def print_answers(settings: Settings, given: Mapping[str, str | None], *, as_json: bool) -> None:
    """Answer the questions, asked by the texts of options, and print the answers."""
    from dataflow_assets.analytics.questions import render_table

    result = read_replies(settings, given)
    if as_json:
        print_json(result)
    else:
        Console().print(render_table(result))


def read_replies(settings: Settings, given: Mapping[str, str | None]) -> dict[str, Any]:
    """The replies to the questions, asked by the texts of options, as JSON holds them."""
    from dataflow_assets.analytics.questions import answer_questions, parse_questions, sources_read
    from dataflow_assets.core.time_windows import WindowError
    from dataflow_assets.sources import find_source
    from dataflow_assets.warehouse.bootstrap import open_warehouse
    from dataflow_assets.warehouse.scan import read_tables

    with as_usage_error(WindowError):
        questions = parse_questions(settings.timezone, given)
        sources = [find_source(name) for name in sorted(sources_read())]
        return answer_questions(read_tables(open_warehouse(settings), sources, settings.timezone), questions)


def rejects(
    source: Annotated[str | None, typer.Option(help="Only of this source.")] = None,
    as_json: Json = False,
) -> None:
    """Print every rejected row: where it stood, and why.

    With --json its text too.
    """
    from dataflow_assets.lake.delta.table import read_rejects
    from dataflow_assets.landing.storage import open_storage

    name = source_of(source).name if source else None
    rows = read_rejects(open_storage(load_settings()), name)
    if as_json:
        print_json([{**row, "delivery_day": row["delivery_day"].isoformat()} for row in rows])
        return
    columns = ("source", "delivery_day", "object", "line", "message")
    shown = [["" if row[name] is None else str(row[name]) for name in columns] for row in rows]
    print_table(["source", "delivered", "object", "line", "why"], shown)


def deliveries(
    source: Annotated[str | None, typer.Option(help="Only of this source.")] = None,
    day: Annotated[str | None, typer.Option(help="Only of this delivery day, YYYY-MM-DD.")] = None,
    state: Annotated[State | None, typer.Option(help="Only in this state.")] = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="First make the record again from the lake.")] = False,
    as_json: Json = False,
) -> None:
    """Print what became of every version of every landed object."""
    from dataflow_assets.landing.storage import open_storage
    from dataflow_assets.ledger.deliveries import rebuild_deliveries
    from dataflow_assets.ledger.delivery_reports import read_deliveries
    from dataflow_assets.ledger.discovery import read_new
    from dataflow_assets.sources import all_sources
    from dataflow_assets.warehouse.bootstrap import open_warehouse
    from dataflow_assets.warehouse.rebuild import require_whole_lake

    settings = load_settings()
    name, delivered = source_of(source).name if source else None, day_of(day) if day else None
    url, storage = open_warehouse(settings), open_storage(settings)
    if rebuild:
        require_whole_lake(url, storage, all_sources())
        versions = rebuild_deliveries(url, storage, all_sources(), settings.timezone)
        say(f"The record was made again: {versions:,} versions of landed objects.")
    rows = read_deliveries(url, name, delivered)
    if state in (None, State.LANDED, State.STRAY):  # of which only landing knows
        rows += read_new(url, storage, expected_objects(settings), name, delivered)
    rows = sorted(
        (row for row in rows if state in (None, row["state"])),
        key=lambda row: (row["source"] or "", row["day"] or "", row["object"], row.get("lake_version", math.inf)),
    )
    if as_json:
        print_json(rows)
        return
    columns = ["source", "day", "object", "state", "accepted", "rejected", "days"]
    print_table(columns, [_delivery_line(row) for row in rows])
    for row in rows:
        if "reason" in row:
            say(f"{row['object']} {row['reason']}.")
        elif row["state"] == "quarantined":
            say(f"{row['object']} is quarantined: {row['quarantine_reason']}")


def expected_objects(settings: Settings) -> "Expected":
    """Which objects landing is to hold."""
    from dataflow_assets.landing.deliveries import Expected
    from dataflow_assets.orchestration.partitions import daily_partitions
    from dataflow_assets.sources import all_sources

    return Expected.of(all_sources(), daily_partitions(settings).get_partition_keys())


def _delivery_line(row: dict[str, Any]) -> list[str]:
    counts = [f"{row[name]:,}" if name in row else "" for name in ("accepted", "rejected")]
    return [
        row["source"] or "",
        row["day"] or "",
        row["object"].split("/", 3)[-1] if row["day"] else row["object"],
        row["state"],
        *counts,
        f"{len(days):,}" if (days := row.get("event_days")) else "",
    ]


def doctor(as_json: Json = False) -> None:
    """Look whether all is well, and say what to do where it is not.

    That is: settings, disk, object store, database, lake, runs and daemon.
    """
    findings = []
    for finding in _examine():
        findings.append(vars(finding))
        if not as_json:
            sentence = f"{finding.state:8} {finding.name}: {finding.sentence} {finding.advice}".rstrip()
            print_sentence(sentence, indent=9)
    if as_json:
        print_json(findings)
    if any(finding["state"] == "problem" for finding in findings):
        raise typer.Exit(1)


def _examine() -> Iterable["Finding"]:
    """What the doctor finds; with a setting that cannot be used that is all that can be said."""
    from dataflow_assets.doctor import Finding, examine

    try:
        return examine(load_settings())
    except SettingsError as error:
        return [Finding("settings", "problem", str(error))]
