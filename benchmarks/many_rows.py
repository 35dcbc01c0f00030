"""Many rows of each format and of each kind of source: seconds of the processor, and whether memory stays flat.

    python -m benchmarks.many_rows [--rows 1000000] [--only avro]

Each file, and one of a tenth of its rows, is taken in by a process of its own; those of a kind of source are loaded
into the warehouse too. Prints a line for each.

Here: the files, the sources and the figures. Not here: the worst files (see `memory`), and what is compared with others
(see `load` and `history`).
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dataframely as dy
import fastavro
import openpyxl
import polars as pl
import sqlalchemy as sa

from benchmarks.common import empty_warehouse, server
from benchmarks.memory import peak_rss_mib
from dataflow_assets.lake.delta.table import rows_table
from dataflow_assets.lake.ingest import Intake, ingest
from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.landing.storage import Storage, open_folder
from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.schema import build_metadata
from dataflow_assets.sources.base import Events, Snapshot, Source
from dataflow_assets.sources.changes import Changes
from dataflow_assets.sources.formats import Avro, Csv, Excel, FixedWidth, Format, Json, Parquet
from dataflow_assets.warehouse.changes import load_changes
from dataflow_assets.warehouse.events import load_day

_DAY = date(2021, 12, 15)
_START = datetime(2021, 12, 15, tzinfo=UTC)
_PATHS = {name: f"$.{name}" for name in ("number", "op", "name", "happened_at", "cents")}
_WIDTHS = {"number": 12, "op": 2, "name": 24, "happened_at": 24, "cents": 12}


class _Rows(dy.Schema):
    number = dy.Int64()
    op = dy.String()
    name = dy.String(nullable=True)
    happened_at = dy.Datetime(time_zone="UTC")
    cents = dy.Int64(nullable=True)


@dataclass(frozen=True)
class Case:
    """A source, and how a file of it is written."""

    source: Source
    write: Callable[[pl.DataFrame, Path], object]

    @property
    def is_loaded(self) -> bool:
        """Whether it is of a kind whose tables are made too."""
        return not isinstance(self.source, Snapshot)


def _of(kind: Callable[..., Source], reader: Format, **more: Any) -> Source:
    shared = {"description": "Made up.", "owner": "team:benchmarks", "schema": _Rows, "reader": reader}
    return kind(name="many", singular="one", **shared, **{"key": ("number",), **more})


def _write_json(frame: pl.DataFrame, path: Path) -> None:
    with path.open("w") as file:
        for number, row in enumerate(frame.iter_rows(named=True)):
            file.write((",\n" if number else "[") + json.dumps(row))
        file.write("]")


def _write_avro(frame: pl.DataFrame, path: Path) -> None:
    kinds = {"number": "long", "op": "string", "name": "string", "happened_at": "string", "cents": "long"}
    fields = [{"name": name, "type": kind} for name, kind in kinds.items()]
    with path.open("wb") as file:
        fastavro.writer(file, {"type": "record", "name": "r", "fields": fields}, frame.iter_rows(named=True))


def _write_workbook(frame: pl.DataFrame, path: Path) -> None:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.append(frame.columns)
    for row in frame.iter_rows():
        sheet.append(row)
    book.save(path)


def _write_fixed_width(frame: pl.DataFrame, path: Path) -> None:
    padded = [pl.col(name).cast(pl.String).str.pad_end(width) for name, width in _WIDTHS.items()]
    frame.select(pl.concat_str(padded)).write_csv(path, include_header=False, quote_style="never")


def _write_escaped(frame: pl.DataFrame, path: Path) -> None:
    frame.with_columns(pl.format(r"the \,{}", "name").alias("name")).write_csv(path, quote_style="never")


def _write_parquet(frame: pl.DataFrame, path: Path) -> None:
    frame.with_columns(pl.col("happened_at").str.to_datetime(time_zone="UTC")).write_parquet(path)


_write_csv, _CSV, _HAPPENED = pl.DataFrame.write_csv, Csv(), {"event_time": "happened_at"}
CASES: Mapping[str, Case] = {
    "csv": Case(_of(Snapshot, _CSV), _write_csv),
    "csv with escapes": Case(_of(Snapshot, Csv(escape="\\")), _write_escaped),
    "json": Case(_of(Snapshot, Json(paths=_PATHS)), _write_json),
    "json lines": Case(_of(Snapshot, Json(paths=_PATHS, lines=True)), pl.DataFrame.write_ndjson),
    "parquet": Case(_of(Snapshot, Parquet()), _write_parquet),
    "avro": Case(_of(Snapshot, Avro()), _write_avro),
    "fixed width": Case(_of(Snapshot, FixedWidth(widths=_WIDTHS)), _write_fixed_width),
    "workbook": Case(_of(Snapshot, Excel()), _write_workbook),
    "events without an end": Case(_of(Events, _CSV, key=("number", "happened_at"), **_HAPPENED), _write_csv),
    "events that happen once": Case(_of(Events, _CSV, happens_once=True, **_HAPPENED), _write_csv),
    "changes": Case(_of(Changes, _CSV, deletes=pl.col("op") == "D", ordered_by="happened_at"), _write_csv),
}


def main() -> None:
    """Print the figures of each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--only", default="")
    parser.add_argument("--case", help="take one file in, in this process")
    parser.add_argument("--file", type=Path)
    parser.add_argument("--url", default="")
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(_take_in(CASES[arguments.case], arguments.file, arguments.url)))  # noqa: T201
        return
    with server() as (_, url):
        for name in (name for name in CASES if arguments.only in name):
            few, many = (_measure(name, rows, url) for rows in (arguments.rows // 10, arguments.rows))
            figures = (f"{many['rows']:,}", f"{many['processor_seconds']:.1f}", few["peak"], many["peak"])
            print("|", " | ".join(map(str, (name, *figures))), "|", flush=True)  # noqa: T201


def _measure(name: str, rows: int, url: str) -> dict[str, Any]:
    case = CASES[name]
    if case.is_loaded:
        empty_warehouse(url)
    with tempfile.TemporaryDirectory(prefix="dataflow-bench-") as folder:
        path = Path(folder, f"many{case.source.reader.suffix}")
        case.write(_rows(rows), path)
        command = [sys.executable, "-m", "benchmarks.many_rows", "--case", name, "--file", str(path), "--url", url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def _rows(count: int) -> pl.DataFrame:
    return (
        pl.int_range(count, eager=True)
        .alias("number")
        .to_frame()
        .select(
            "number",
            op=pl.when(pl.col("number") % 10 == 0).then(pl.lit("D")).otherwise(pl.lit("U")),
            name=pl.format("name {}", pl.col("number") % 1000),
            happened_at=(pl.lit(_START) + pl.duration(milliseconds=pl.col("number") % 80_000_000)).dt.strftime(
                "%FT%T%.3fZ"
            ),
            cents=pl.col("number") % 100_000,
        )
    )


def _take_in(case: Case, path: Path, url: str) -> dict[str, Any]:
    """Take a file into a lake of its own, and load it where its kind is measured; what that took."""
    if case.is_loaded:
        engine = sa.create_engine(url)
        build_metadata([case.source], {}).create_all(engine)
        engine.dispose()
    with tempfile.TemporaryDirectory(prefix="dataflow-bench-") as home:
        storage = open_folder(Path(home))
        start = time.process_time()
        delivery = Landing(storage).put(case.source.name, _DAY, path)
        intake = ingest(storage, case.source, delivery.object, "UTC", first_day=_DAY)
        assert intake
        if case.is_loaded:
            _load(url, storage, case.source, intake)
        seconds = time.process_time() - start
    return {"rows": intake.accepted, "processor_seconds": seconds, "peak": peak_rss_mib()}


def _load(url: str, storage: Storage, source: Source, intake: Intake) -> None:
    table, version = rows_table(storage, source), intake.version
    with connect(url) as connection:
        if isinstance(source, Events):
            for day in sorted(intake.event_days):
                load_day(connection, source, table.scan(version), version, day, "UTC")
        elif isinstance(source, Changes):
            load_changes(connection, source, table.scan(version), version)


if __name__ == "__main__":
    main()
