"""The `dataflow` command.

Here: arguments, progress and printing; each command calls one thing of another module. Not here: work.
"""

import csv
import json
import math
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from dataflow_assets.errors import (
    DataFlowError,
    FormatError,
    HeldBackError,
    NotFoundError,
    RunFailedError,
    SettingsError,
)
from dataflow_assets.plain import plain
from dataflow_assets.settings import Settings, load_settings
from dataflow_assets.warehouse import embedded

if TYPE_CHECKING:
    from dataflow_assets.analytics.answers import Questions
    from dataflow_assets.lake.explain import Explanation
    from dataflow_assets.landing.deliveries import Delivery, Expected
    from dataflow_assets.sources.declaration import Source

app = typer.Typer(
    name="dataflow",
    help="Every file and every table a Dagster asset, by day, with nothing lost.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for a program.")]
Delivered = Annotated[str | None, typer.Option(help="The delivery day, YYYY-MM-DD.")]
_WHOLE_CELL = 10  # characters that are not folded in a table
_LONGEST_CELL = 60  # characters


class Format(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class Collector(StrEnum):
    """The formats that a file may be loaded from."""

    CSV = "csv"
    TSV = "tsv"
    JSON = "json"
    JSONL = "jsonl"
    PARQUET = "parquet"


class State(StrEnum):
    """What may have become of a version of a landed object."""

    LANDED = "landed"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    HELD = "held"
    SUPERSEDED = "superseded"
    STRAY = "stray"


def main() -> None:
    """Run the command; a user's mistake ends in one sentence and exit code 1."""
    try:
        app()
    except DataFlowError as error:
        _say(f"Error: {error}")
        sys.exit(1)
    finally:
        embedded.release_all()


@app.command()
def demo(
    data: Annotated[Path | None, typer.Option(help="Folder with internal/ and vendor/; without it, a sample.")] = None,
    delivered: Delivered = "2021-12-31",
    as_json: Json = False,
) -> None:
    """Land six files, materialize every asset, and print the six answers."""
    from dataflow_assets.landing.sample import write_sample
    from dataflow_assets.sources import all_sources

    settings = load_settings()
    day = _delivery_day(settings, delivered)
    if data is None:
        data = settings.home / "sample"
        write_sample(data)
    _materialize(settings, [(source, _sample_file(data, source)) for source in all_sources()], day)
    from dataflow_assets.analytics.answers import Questions

    _print_answers(settings, Questions(timezone=settings.timezone), as_json=as_json)
    if not as_json:
        _say("Next: `uv run dataflow up` opens the Dagster UI on what was made.")


@app.command()
def up(port: Annotated[int, typer.Option(help="Port of the Dagster UI, on loopback only.")] = 3000) -> None:
    """Run the Dagster UI, its daemon and the code server until Ctrl-C."""
    from dataflow_assets.orchestration import platform
    from dataflow_assets.warehouse.opening import open_warehouse

    settings = load_settings()
    open_warehouse(settings)
    raise typer.Exit(platform.up(settings, port))


@app.command()
def env(as_json: Json = False) -> None:
    """Print the variables with which plain `dagster dev` works on the same data."""
    from dataflow_assets.orchestration.instance import environment, prepare_home

    settings = load_settings()
    prepare_home(settings)
    secret = {"DATABASE_URL"}  # who runs this has set it already
    variables = {name: value for name, value in environment(settings).items() if name not in secret}
    if as_json:
        _print_json(variables)
    else:
        for name, value in variables.items():
            print(f"export {name}={shlex.quote(value)}")  # noqa: T201


@app.command()
def init_db() -> None:
    """Bring the database to the present tables."""
    from dataflow_assets.warehouse.migrate import upgrade
    from dataflow_assets.warehouse.opening import database_url, open_warehouse

    settings = load_settings()
    changed = upgrade(database_url(settings))
    open_warehouse(settings)
    _say("The tables were brought up to date." if changed else "The tables were up to date already.")


@app.command()
def load(
    model: Annotated[str, typer.Option(help="The source, such as streams or stream.")],
    collector: Annotated[Collector, typer.Option(help="The format of the file.")],
    config: Annotated[Path, typer.Option(help="The file to load.")],
    delivered: Delivered = None,
) -> None:
    """Land one file and materialize what it touches."""
    from dataflow_assets.lake.reading import check_format
    from dataflow_assets.sources import find_source

    settings = load_settings()
    source = find_source(model)
    if source.reader.suffix != f".{collector}":
        raise FormatError(f"{source.name} is delivered as {source.reader.suffix[1:]}, not as {collector}.")
    if not config.is_file():
        raise NotFoundError(f"There is no file {config}.")
    check_format(config, source)
    _materialize(settings, [(source, config)], _delivery_day(settings, delivered))


@app.command()
def query(
    file: Annotated[Path | None, typer.Option("-f", "--file", help="A file with one SQL statement.")] = None,
    command: Annotated[str | None, typer.Option("-c", "--command", help="One SQL statement.")] = None,
    output: Annotated[Format, typer.Option("--format", help="How to print the rows.")] = Format.TABLE,
) -> None:
    """Run one SQL statement that reads the warehouse."""
    from dataflow_assets.warehouse.opening import open_warehouse
    from dataflow_assets.warehouse.query import run_query

    if (file is None) == (command is None):
        raise NotFoundError("Give the statement by -c, or a file with it by -f.")
    if file is not None and not file.is_file():
        raise NotFoundError(f"There is no file {file}.")
    statement = command if file is None else file.read_text()
    result = run_query(open_warehouse(load_settings()), statement or "")
    if output is Format.JSON:
        _print_json(result.records())
    elif output is Format.CSV:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows([result.columns, *(("" if value is None else value for value in row) for row in result.rows)])
    else:
        _print_table(result.columns, [["" if value is None else str(value) for value in row] for row in result.rows])


@app.command()
def sample(
    out: Annotated[Path, typer.Option(help="The folder to write to.")],
    streams: Annotated[int, typer.Option(min=0, help="How many sessions.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Equal seeds give equal files.")] = 0,
) -> None:
    """Write six files of the shapes that the platform takes in, some of their rows broken."""
    from dataflow_assets.landing.sample import write_sample

    made = write_sample(out, streams=streams, seed=seed)
    rows = [[name, str(made.files[name]), f"{made.rows[name]:,}", f"{made.broken[name]:,}"] for name in made.files]
    _print_table(["source", "file", "rows", "broken"], rows)


@app.command()
def answers(
    start: Annotated[str | None, typer.Option("--from", help="First instant that counts.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="First instant that no longer counts.")] = None,
    outage_movie: Annotated[str, typer.Option(help="The movie of the outage.")] = "Unforgiven",
    outage_from: Annotated[str | None, typer.Option(help="When the outage began.")] = None,
    outage_to: Annotated[str | None, typer.Option(help="When it was over.")] = None,
    nationality: Annotated[str, typer.Option(help="Slug of the authors' nationality.")] = "singaporeans",
    engaged_from: Annotated[str | None, typer.Option(help="First instant of the engaged users.")] = None,
    engaged_to: Annotated[str | None, typer.Option(help="First instant after them.")] = None,
    as_json: Json = False,
) -> None:
    """Answer the six questions over any window; times without a zone are in DATAFLOW_TIMEZONE."""
    from dataflow_assets.analytics.answers import Questions, parse_instant

    settings = load_settings()

    def instant(text: str | None) -> datetime | None:
        return None if text is None else parse_instant(text, settings.timezone)

    questions = Questions(
        timezone=settings.timezone,
        start=instant(start),
        end=instant(end),
        outage_movie=outage_movie,
        outage_start=instant(outage_from),
        outage_end=instant(outage_to),
        nationality=nationality,
        engaged_start=instant(engaged_from),
        engaged_end=instant(engaged_to),
    )
    _print_answers(settings, questions, as_json=as_json)


@app.command()
def rejects(
    source: Annotated[str | None, typer.Option(help="Only of this source.")] = None,
    as_json: Json = False,
) -> None:
    """Print every rejected row: where it stood, why, and its text."""
    from dataflow_assets.lake.tables import read_rejects
    from dataflow_assets.landing.storage import open_storage
    from dataflow_assets.sources import find_source

    name = find_source(source).name if source else None
    rows = read_rejects(open_storage(load_settings()), name)
    if as_json:
        _print_json([{**row, "delivery_day": row["delivery_day"].isoformat()} for row in rows])
        return
    columns = ("source", "delivery_day", "object", "line", "message")
    shown = [["" if row[name] is None else str(row[name]) for name in columns] for row in rows]
    _print_table(["source", "delivered", "object", "line", "why"], shown)


@app.command()
def deliveries(
    source: Annotated[str | None, typer.Option(help="Only of this source.")] = None,
    day: Annotated[str | None, typer.Option(help="Only of this delivery day, YYYY-MM-DD.")] = None,
    state: Annotated[State | None, typer.Option(help="Only in this state.")] = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="First make the record again from the lake.")] = False,
    as_json: Json = False,
) -> None:
    """Print what became of every version of every landed object."""
    from dataflow_assets.landing.storage import open_storage
    from dataflow_assets.sources import all_sources, find_source
    from dataflow_assets.warehouse.arrivals import read_arrivals
    from dataflow_assets.warehouse.opening import open_warehouse
    from dataflow_assets.warehouse.records import read_deliveries, rebuild_deliveries

    settings = load_settings()
    name, delivered = find_source(source).name if source else None, _day(day) if day else None
    url, storage = open_warehouse(settings), open_storage(settings)
    if rebuild:
        versions = rebuild_deliveries(url, storage, all_sources(), settings.timezone)
        _say(f"The record was made again: {versions:,} versions of landed objects.")
    rows = read_deliveries(url, name, delivered)
    if state in (None, State.LANDED, State.STRAY):  # of which only landing knows
        rows += read_arrivals(url, storage, _expected(settings), name, delivered)
    rows = sorted(
        (row for row in rows if state in (None, row["state"])),
        key=lambda row: (row["source"] or "", row["day"] or "", row["object"], row.get("lake_version", math.inf)),
    )
    if as_json:
        _print_json(rows)
        return
    columns = ["source", "day", "object", "state", "accepted", "rejected", "days"]
    _print_table(columns, [_delivery_line(row) for row in rows])
    for row in rows:
        if "reason" in row:
            _say(f"{row['object']} {row['reason']}.")
        elif row["state"] == "held":
            _say(f"{row['object']} is held back: {row['held']}")


@app.command()
def backfill(
    asset: Annotated[str, typer.Option(help="The asset, such as warehouse/streams.")],
    start: Annotated[str, typer.Option("--from", help="The first day, YYYY-MM-DD.")],
    end: Annotated[str, typer.Option("--to", help="The last day; of months, those that begin until then.")],
    only_missing: Annotated[bool, typer.Option("--only-missing", help="Leave out what is as it should be.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be run, and run nothing.")] = False,
) -> None:
    """Make partitions of an asset again, in this process; stopped, the same command goes on where it was."""
    from dataflow_assets.orchestration.backfill import Backfill, find_asset
    from dataflow_assets.orchestration.instance import open_instance

    settings = load_settings()
    wanted = Backfill(settings, find_asset(asset), _day(start), _day(end))
    with _progress() as report:
        report("Looking what there is to do")
        ranges = wanted.ranges(only_missing=only_missing)
        if ranges and not dry_run:
            report("Loading the Dagster definitions")
            from dataflow_assets.definitions import defs

            with open_instance(settings) as instance:
                try:
                    wanted.run(defs, instance, ranges, report)
                except KeyboardInterrupt:
                    raise RunFailedError("Stopped: the same command goes on where it was.") from None
    if dry_run:
        _print_table(["from", "to"], [list(one) for one in ranges])
    _say(f"{len(ranges)} {'run' if len(ranges) == 1 else 'runs'} {'to do' if dry_run else 'done'}.")


@app.command()
def doctor(as_json: Json = False) -> None:
    """Look whether settings, object store, database, runs and daemon are as they should be, and say what to do."""
    from dataflow_assets.doctor import examine

    findings = []
    for finding in examine():
        findings.append(vars(finding))
        if not as_json:
            print(f"{finding.state:8} {finding.name}: {finding.sentence} {finding.advice}".rstrip())  # noqa: T201
    if as_json:
        _print_json(findings)
    if any(finding["state"] == "problem" for finding in findings):
        raise typer.Exit(1)


@app.command()
def explain(
    source: Annotated[str, typer.Option(help="The source, such as streams or stream.")],
    key: Annotated[
        list[str], typer.Option(help="A part of the key, in the order of the source's, or as column=value. Repeat it.")
    ],
    as_json: Json = False,
) -> None:
    """Tell from which objects and days the rows of a key came, and which of them count."""
    from dataflow_assets.lake import explain as explaining
    from dataflow_assets.lake.tables import rejects_table, rows_table
    from dataflow_assets.landing.storage import open_storage
    from dataflow_assets.sources import Snapshot, find_source
    from dataflow_assets.warehouse.belief import held_back

    wanted = find_source(source)
    texts, storage = explaining.key_texts(wanted, key), open_storage(load_settings())
    table = rows_table(storage, wanted)
    version = table.open().version()
    held: Mapping[date, str] = {}
    if isinstance(wanted, Snapshot):
        dumps = table.dumps(version)
        held = held_back(dumps.rows, dumps.released, wanted.smallest_share)
    found = explaining.explain(table.scan(version), wanted, texts, held.keys())
    rejects = [] if found.keys else explaining.rejects_with(rejects_table(storage).scan(), wanted, texts, most=10)
    if as_json:
        origins = [vars(origin) for origin in found.origins]
        _print_json(plain({"source": wanted.name, **vars(found), "origins": origins, "rejects": rejects}))
    elif len(found.keys) == 1:
        _print_origins(found)
    elif found.keys:
        _print_table(wanted.key, [_short(row.values()) for row in found.keys])
        _say(f"{'More keys match than these' if found.has_more_keys else 'These keys match'}; give more of its parts.")
    elif rejects:
        columns = ("object", "line", "message", "raw")
        _print_table(columns, [_short(row[name] for name in columns) for row in rejects])
    if not found.keys:
        asked = ", ".join(f"{name} {text!r}" for name, text in texts.items())
        told = "; these rejected rows hold it" if rejects else ", nor does a rejected row hold it"
        raise NotFoundError(f"No row of {wanted.name} has {asked}{told}.")


@app.command()
def preview(
    file: Annotated[Path, typer.Argument(help="The file to look into.")],
    model: Annotated[str, typer.Option(help="The source, such as streams or stream.")],
    rows: Annotated[int, typer.Option(min=0, help="How many rows, and how many rejects, to print.")] = 10,
    delivered: Delivered = None,
    as_json: Json = False,
) -> None:
    """Tell which rows of a file would be accepted and which rejected, and why; nothing is written."""
    from dataflow_assets.lake.intake import event_bounds
    from dataflow_assets.lake.preview import preview as look_into
    from dataflow_assets.sources import find_source

    source = find_source(model)
    if not file.is_file():
        raise NotFoundError(f"There is no file {file}.")
    settings = load_settings()
    bounds = event_bounds(source, _delivery_day(settings, delivered), settings.timezone, settings.first_day)
    found = look_into(file, source, settings.timezone, rows, bounds)
    if as_json:
        read = {"rows": plain(found.rows.to_dicts()), "rejects": [vars(reject) for reject in found.rejects]}
        _print_json(
            {"source": source.name, "file": str(file), **vars(found), **read, "event_days": plain(found.event_days)}
        )
        return
    _print_table(found.rows.columns, [_short(row) for row in found.rows.iter_rows()])
    rejects = [[str(reject.line or ""), reject.code, reject.message, *_short([reject.raw])] for reject in found.rejects]
    if rejects:
        _print_table(["line", "code", "why", "text"], rejects)
    for sentence in found.sentences():
        print(f"{source.name}: {sentence}")  # noqa: T201


def _print_origins(found: "Explanation") -> None:
    [key] = found.keys
    print(", ".join(f"{name} {text!r}" for name, text in zip(key, _short(key.values()), strict=True)))  # noqa: T201
    others = [name for name in found.origins[0].values if name not in key]
    rows = [
        [str(origin.delivery_day), origin.object, str(origin.position), *_short(values), origin.fate]
        for origin in found.origins
        for values in [[origin.values[name] for name in others]]
    ]
    _print_table(["delivered", "object", "position", *others, "became"], rows)
    if found.last_seen:
        missing = f", missing since {found.missing_since}" if found.missing_since else ""
        print(f"Seen first on {found.first_seen}, last on {found.last_seen}{missing}.")  # noqa: T201


@app.command()
def release(
    objects: Annotated[list[str] | None, typer.Argument(help="Keys of landed objects that are held back.")] = None,
    source: Annotated[str | None, typer.Option(help="All objects of this source that landed on the day.")] = None,
    day: Annotated[str | None, typer.Option(help="Their delivery day, YYYY-MM-DD.")] = None,
) -> None:
    """Load what was held back, as it is; this lasts for these versions of the objects."""
    from dataflow_assets.landing.deliveries import Landing
    from dataflow_assets.landing.storage import open_storage
    from dataflow_assets.sources import find_source
    from dataflow_assets.warehouse.opening import open_warehouse

    if bool(objects) == bool(source) or bool(source) != bool(day):
        raise NotFoundError("Name objects, or give --source and --day.")
    settings = load_settings()
    landing = Landing(open_storage(settings))
    if source:
        name, of_day = find_source(source).name, _delivery_day(settings, day)
        deliveries = sorted(landing.deliveries(name, of_day), key=lambda delivery: delivery.object)
        if not deliveries:
            raise NotFoundError(f"No object of {name} that landed on {of_day} is in landing.")
    else:
        found = {key: landing.current(key) for key in objects or ()}
        if gone := [key for key, delivery in found.items() if delivery is None]:
            raise NotFoundError(f"There is no object {', '.join(gone)} in landing; land it again to release it.")
        deliveries = [delivery for delivery in found.values() if delivery]
    _require_accepted(open_warehouse(settings), _bring(settings, lambda: deliveries, release=True))
    _say(f"Released: {', '.join(delivery.object for delivery in deliveries)}")


@app.command()
def replay(source: Annotated[str | None, typer.Option(help="Only of this source.")] = None) -> None:
    """Read every object with rejected rows again that was read by another declaration than the present one."""
    from dataflow_assets.lake.intake import read_otherwise
    from dataflow_assets.landing.deliveries import Landing
    from dataflow_assets.landing.storage import open_storage
    from dataflow_assets.sources import all_sources, find_source
    from dataflow_assets.warehouse.opening import open_warehouse
    from dataflow_assets.warehouse.records import not_accepted_whole

    settings = load_settings()
    sources = [find_source(source)] if source else all_sources()
    url, storage = open_warehouse(settings), open_storage(settings)
    wanted = [
        found
        for each in sources
        for found in read_otherwise(storage, each, not_accepted_whole(url, each), settings.timezone, settings.first_day)
    ]
    now = {delivery.object: Landing(storage).current(delivery.object) for delivery in wanted}
    for key in (key for key, delivery in now.items() if delivery is None):
        _say(f"Note: {key} is gone from landing, so that its rejected rows cannot be read again.")
    present = [delivery for delivery in now.values() if delivery]
    if not present:
        _say("Nothing to read again: what was rejected was rejected by the present declarations.")
        return
    _bring(settings, lambda: present)
    _say(f"Read again: {', '.join(delivery.object for delivery in present)}")


# What the commands share


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


def _materialize(settings: Settings, files: Sequence[tuple["Source", Path]], day: date) -> None:
    """Land files and bring everything after them; progress on standard error."""
    from dataflow_assets.landing.deliveries import Landing
    from dataflow_assets.landing.storage import open_storage
    from dataflow_assets.warehouse.opening import open_warehouse

    def land() -> list["Delivery"]:
        landing = Landing(open_storage(settings))
        return [landing.put(source.name, day, path) for source, path in files]

    _require_accepted(open_warehouse(settings), _bring(settings, land))


def _bring(settings: Settings, land: Callable[[], list["Delivery"]], *, release: bool = False) -> list["Delivery"]:
    """Bring everything after deliveries, which are landed once the warehouse is open; the deliveries."""
    from dataflow_assets.orchestration.instance import open_instance
    from dataflow_assets.orchestration.runs import Materializer
    from dataflow_assets.warehouse.opening import open_warehouse

    with _progress() as report:
        report("Opening the warehouse")
        open_warehouse(settings)
        report("Landing the files")
        deliveries = land()
        report("Loading the Dagster definitions")
        from dataflow_assets.definitions import defs

        with open_instance(settings) as instance:
            materializer = Materializer(settings, defs, instance, lambda what: report(f"Materializing {what}"))
            materializer.materialize(deliveries, release=release)
    for warning in materializer.warnings:
        _say(f"Note: {warning}")
    return deliveries


def _require_accepted(url: str, deliveries: Sequence["Delivery"]) -> None:
    from dataflow_assets.warehouse.records import held_back, refused

    if names := refused(url, deliveries):
        raise FormatError(f"{', '.join(names)} was refused; `dataflow rejects` says why.")
    if names := held_back(url, deliveries):
        raise HeldBackError(f"{', '.join(names)} is held back, and nothing of it is loaded.")


def _delivery_day(settings: Settings, text: str | None) -> date:
    today = datetime.now(ZoneInfo(settings.timezone)).date()
    if text is None:
        return today
    day = _day(text)
    if not settings.first_day <= day <= today + timedelta(days=1):
        raise SettingsError(f"{day} has no partition: days go from {settings.first_day} to tomorrow.")
    return day


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"{text!r} is not a day; write it like 2021-12-31.") from None


def _sample_file(folder: Path, source: "Source") -> Path:
    name = source.name + source.reader.suffix
    for part in ("internal", "vendor"):
        if (path := folder / part / name).is_file():
            return path
    raise NotFoundError(f"There is no file {name} in {folder / 'internal'} or {folder / 'vendor'}.")


def _print_answers(settings: Settings, questions: "Questions", *, as_json: bool) -> None:
    from dataflow_assets.analytics.answers import answer_questions, render_table
    from dataflow_assets.sources import all_sources
    from dataflow_assets.warehouse.opening import open_warehouse
    from dataflow_assets.warehouse.reading import read_tables

    result = answer_questions(read_tables(open_warehouse(settings), all_sources(), settings.timezone), questions)
    if as_json:
        _print_json(result)
    else:
        Console().print(render_table(result))


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    console = Console(stderr=True)
    with console.status("Starting") as status:
        yield lambda what: status.update(what if len(what) < console.width - 10 else what[: console.width - 13] + "…")


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    longest = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
    whole = [min(length, _WHOLE_CELL) for length in longest]  # before a short text is folded, long ones are
    table = Table(*(Column(name, overflow="fold", min_width=width) for name, width in zip(columns, whole, strict=True)))
    for row in rows:
        table.add_row(*(Text(_visible(text)) for text in row))  # a text is no markup
    Console().print(table)


def _short(values: Iterable[object]) -> list[str]:
    """Values as texts of one line, cut where they are long; nothing where there is none."""
    texts = (" ".join(str(plain(value)).split()) if value is not None else "" for value in values)
    return [text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - 1] + "…" for text in texts]


def _visible(text: str) -> str:
    """A text without what would steer a terminal."""
    return "".join(char if char.isprintable() or char == "\n" else repr(char)[1:-1] for char in text)


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))  # noqa: T201


def _say(sentence: str) -> None:
    Console(stderr=True, soft_wrap=True, highlight=False).print(sentence, markup=False)
