"""The commands that look at what there is, and change nothing.

Here: arguments and how the findings are printed. Not here: work.
"""

import argparse
import csv
import math
import sys
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from dataflow_assets.cli.arguments import Delivered, Json, day_of, delivery_day
from dataflow_assets.cli.output import print_json, print_table, say, short
from dataflow_assets.core.formatting import plain
from dataflow_assets.errors import NotFoundError
from dataflow_assets.settings import Settings, load_settings

if TYPE_CHECKING:
    from dataflow_assets.lake.provenance import Explanation
    from dataflow_assets.landing.deliveries import Expected


class Format(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


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
) -> None:
    """Run one SQL statement that reads the warehouse."""
    from dataflow_assets.warehouse.bootstrap import open_warehouse
    from dataflow_assets.warehouse.query import run_query

    if (file is None) == (command is None):
        raise NotFoundError("Give the statement by -c, or a file with it by -f.")
    if file is not None and not file.is_file():
        raise NotFoundError(f"There is no file {file}.")
    statement = command if file is None else file.read_text()
    result = run_query(open_warehouse(load_settings()), statement or "")
    if output is Format.JSON:
        print_json(result.records())
    elif output is Format.CSV:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows([result.columns, *(("" if value is None else value for value in row) for row in result.rows)])
    else:
        print_table(result.columns, [["" if value is None else str(value) for value in row] for row in result.rows])


def answers(context: typer.Context) -> None:
    """Answer the questions over any window; times without a zone are in DATAFLOW_TIMEZONE."""
    given = vars(_questions_parser().parse_args(context.args))
    as_json = given.pop("json")
    print_answers(load_settings(), given, as_json=as_json)


def _questions_parser() -> argparse.ArgumentParser:
    """What reads the options of `answers`. The answers declare them, so they are not known until the command runs."""
    from dataflow_assets.analytics.questions import all_options

    parser = argparse.ArgumentParser(prog="dataflow answers", description=answers.__doc__, allow_abbrev=False)
    for option in all_options():
        default = f" [default: {option.default}]" if option.default else ""
        parser.add_argument(f"--{option.name.replace('_', '-')}", dest=option.name, help=option.help + default)
    parser.add_argument("--json", action="store_true", help="Print JSON, for a program.")
    return parser


def print_answers(settings: Settings, given: Mapping[str, str | None], *, as_json: bool) -> None:
    """Answer the questions, asked by the texts of options, and print the answers."""
    from dataflow_assets.analytics.questions import answer_questions, parse_questions, render_table, sources_read
    from dataflow_assets.sources import find_source
    from dataflow_assets.warehouse.bootstrap import open_warehouse
    from dataflow_assets.warehouse.scan import read_tables

    questions = parse_questions(settings.timezone, given)
    sources = [find_source(name) for name in sorted(sources_read())]
    result = answer_questions(read_tables(open_warehouse(settings), sources, settings.timezone), questions)
    if as_json:
        print_json(result)
    else:
        Console().print(render_table(result))


def rejects(
    source: Annotated[str | None, typer.Option(help="Only of this source.")] = None,
    as_json: Json = False,
) -> None:
    """Print every rejected row: where it stood, why, and its text."""
    from dataflow_assets.lake.delta.table import read_rejects
    from dataflow_assets.landing.storage import open_storage
    from dataflow_assets.sources import find_source

    name = find_source(source).name if source else None
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
    from dataflow_assets.sources import all_sources, find_source
    from dataflow_assets.warehouse.bootstrap import open_warehouse

    settings = load_settings()
    name, delivered = find_source(source).name if source else None, day_of(day) if day else None
    url, storage = open_warehouse(settings), open_storage(settings)
    if rebuild:
        versions = rebuild_deliveries(url, storage, all_sources(), settings.timezone)
        say(f"The record was made again: {versions:,} versions of landed objects.")
    rows = read_deliveries(url, name, delivered)
    if state in (None, State.LANDED, State.STRAY):  # of which only landing knows
        rows += read_new(url, storage, _expected(settings), name, delivered)
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


def _expected(settings: Settings) -> "Expected":
    from dataflow_assets.landing.deliveries import Expected
    from dataflow_assets.orchestration.partitions import daily_partitions
    from dataflow_assets.sources import all_sources

    names = frozenset(source.name for source in all_sources())
    return Expected(names, frozenset(daily_partitions(settings).get_partition_keys()))


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
    """Look whether settings, object store, database, runs and daemon are as they should be, and say what to do."""
    from dataflow_assets.doctor import examine

    findings = []
    for finding in examine():
        findings.append(vars(finding))
        if not as_json:
            print(f"{finding.state:8} {finding.name}: {finding.sentence} {finding.advice}".rstrip())  # noqa: T201
    if as_json:
        print_json(findings)
    if any(finding["state"] == "problem" for finding in findings):
        raise typer.Exit(1)


def explain(
    source: Annotated[str, typer.Option(help="The source, such as streams or stream.")],
    key: Annotated[
        list[str], typer.Option(help="A part of the key, in the order of the source's, or as column=value. Repeat it.")
    ],
    as_json: Json = False,
) -> None:
    """Tell from which objects and days the rows of a key came, and which of them count."""
    from dataflow_assets.lake import provenance as explaining
    from dataflow_assets.lake.delta.dumps import read_dumps
    from dataflow_assets.lake.delta.table import rejects_table, rows_table
    from dataflow_assets.landing.storage import open_storage
    from dataflow_assets.sources import Snapshot, find_source
    from dataflow_assets.warehouse.snapshots.quarantine import find_quarantined_dumps

    wanted = find_source(source)
    texts, storage = explaining.key_texts(wanted, key), open_storage(load_settings())
    table = rows_table(storage, wanted)
    version = table.open().version()
    quarantined: dict[date, str] = {}
    if isinstance(wanted, Snapshot):
        quarantined = find_quarantined_dumps(read_dumps(table, version), wanted.smallest_share)
    found = explaining.explain(table.scan(version), wanted, texts, quarantined.keys())
    rejects = [] if found.keys else explaining.rejects_with(rejects_table(storage).scan(), wanted, texts, most=10)
    if as_json:
        origins = [vars(origin) for origin in found.origins]
        print_json(plain({"source": wanted.name, **vars(found), "origins": origins, "rejects": rejects}))
    elif len(found.keys) == 1:
        _print_origins(found)
    elif found.keys:
        print_table(wanted.key, [short(row.values()) for row in found.keys])
        say(f"{'More keys match than these' if found.has_more_keys else 'These keys match'}; give more of its parts.")
    elif rejects:
        columns = ("object", "line", "message", "raw")
        print_table(columns, [short(row[name] for name in columns) for row in rejects])
    if not found.keys:
        asked = ", ".join(f"{name} {text!r}" for name, text in texts.items())
        told = "; these rejected rows hold it" if rejects else ", nor does a rejected row hold it"
        raise NotFoundError(f"No row of {wanted.name} has {asked}{told}.")


def _print_origins(found: "Explanation") -> None:
    [key] = found.keys
    print(", ".join(f"{name} {text!r}" for name, text in zip(key, short(key.values()), strict=True)))  # noqa: T201
    others = [name for name in found.origins[0].values if name not in key]
    rows = [
        [str(origin.delivery_day), origin.object, str(origin.position), *short(values), origin.fate]
        for origin in found.origins
        for values in [[origin.values[name] for name in others]]
    ]
    print_table(["delivered", "object", "position", *others, "became"], rows)
    if found.last_seen:
        missing = f", missing since {found.missing_since}" if found.missing_since else ""
        print(f"Seen first on {found.first_seen}, last on {found.last_seen}{missing}.")  # noqa: T201


def preview(
    file: Annotated[Path, typer.Argument(help="The file to look into.")],
    model: Annotated[str, typer.Option(help="The source, such as streams or stream.")],
    rows: Annotated[int, typer.Option(min=0, help="How many rows, and how many rejects, to print.")] = 10,
    delivered: Delivered = None,
    as_json: Json = False,
) -> None:
    """Tell which rows of a file would be accepted and which rejected, and why; nothing is written."""
    from dataflow_assets.lake.ingest import event_bounds
    from dataflow_assets.lake.preview import preview as look_into
    from dataflow_assets.sources import find_source

    source = find_source(model)
    if not file.is_file():
        raise NotFoundError(f"There is no file {file}.")
    settings = load_settings()
    bounds = event_bounds(source, delivery_day(settings, delivered), settings.timezone, settings.first_day)
    found = look_into(file, source, settings.timezone, rows, bounds)
    if as_json:
        read = {"rows": plain(found.rows.to_dicts()), "rejects": [vars(reject) for reject in found.rejects]}
        print_json(
            {"source": source.name, "file": str(file), **vars(found), **read, "event_days": plain(found.event_days)}
        )
        return
    print_table(found.rows.columns, [short(row) for row in found.rows.iter_rows()])
    rejects = [[str(reject.line or ""), reject.code, reject.message, *short([reject.raw])] for reject in found.rejects]
    if rejects:
        print_table(["line", "code", "why", "text"], rejects)
    for sentence in found.sentences():
        print(f"{source.name}: {sentence}")  # noqa: T201
