"""Other people's readers on a table of the lake that has a column of each type.

    python -m benchmarks.ground.lake_readers [--only NAME …] [--details FILE]

The table is made by the platform's own code: two dumps, one of them replaced, files merged and deleted by housekeeping,
a new column. After each of these every reader reads all rows; they must be those that were delivered. Filters on each
column must find what a full scan finds. Each reader gets an environment of its own, made by uv.
"""

import argparse
import json
import random
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dataframely as dy
import polars as pl

from benchmarks.ground.lake_reader import plain
from dataflow_assets.lake.delta.commit import merge_files, stage_rows
from dataflow_assets.lake.delta.maintenance import delete_unused_files, merge_small_files
from dataflow_assets.lake.delta.table import list_files, rows_table
from dataflow_assets.lake.ingest import ingest
from dataflow_assets.landing.storage import Storage, open_folder
from dataflow_assets.sources.base import Snapshot
from dataflow_assets.sources.formats import Json
from dataflow_assets_tests.warehouse.builders import METERS, Readings

Row = dict[str, Any]
_DAYS = [date(2021, 12, number) for number in (1, 2, 3)]
_READERS = {
    "polars": ("polars", "polars==2.1.0 deltalake==1.6.6 pyarrow==26.0.1"),
    "pyarrow": ("pyarrow", "pyarrow==26.0.1 deltalake==1.6.6"),
    "delta-rs SQL": ("delta-rs SQL", "deltalake==1.6.6 pyarrow==26.0.1"),
    "duckdb 1.4 over pyarrow": ("duckdb over pyarrow", "duckdb==1.4.4 pyarrow==26.0.1 deltalake==1.6.6 pytz"),
    "duckdb 1.5 over pyarrow": ("duckdb over pyarrow", "duckdb==1.5.6 pyarrow==26.0.1 deltalake==1.6.6 pytz"),
    "duckdb 2.0 over pyarrow": ("duckdb over pyarrow", "duckdb==2.0.0 pyarrow==26.0.1 deltalake==1.6.6 pytz"),
    "duckdb 2.0 over parquet": ("duckdb over parquet", "duckdb==2.0.0 pyarrow==26.0.1 deltalake==1.6.6 pytz"),
    "duckdb delta": ("duckdb delta", "duckdb-extension-delta==1.5.5 pyarrow==26.0.1 pytz"),
    "daft": ("daft", "daft==0.7.26 deltalake==1.6.6"),
    "sail": ("sail", "pysail==0.7.2 pyspark-client"),
    "chdb": ("chdb", "chdb==4.4.0"),
}
_KINDS = {
    **dict.fromkeys(("number", "tiny", "small", "middle", "big"), "integer"),
    **dict.fromkeys(("single", "double"), "float"),
    **dict.fromkeys(("text", "code", "kind", "label"), "text"),
    **dict.fromkeys(("taken_at", "sent_at", "moment"), "timestamp"),
    "day": "date",
    "delivery_day": "date",
    "is_new": "boolean",
    "price": "decimal(7,2)",
    "exact": "decimal(38,19)",
    "whole": "decimal(38,0)",
}


class Wider(Readings):
    """The same with one more column."""

    note = dy.String(nullable=True)


def main() -> None:
    """Make the table, and print a row for each reader."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", default=list(_READERS), choices=_READERS)
    parser.add_argument("--details", type=Path, help="a file for everything that the readers said")
    arguments = parser.parse_args()
    details: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        programs = {name: _install(Path(folder) / str(number), name) for number, name in enumerate(arguments.only)}
        faults: dict[str, dict[str, str]] = {name: {} for name in programs}
        for stage, table, rows in _stages(Path(folder) / "home"):
            filters = list(_filters(rows))
            for name, python in programs.items():
                found = _read(python, name, table, [each for each, _ in filters])
                details[f"{stage}: {name}"] = found
                for fault in _faults(found, rows, filters):
                    faults[name].setdefault(fault.split()[0], f"{stage}: {fault}")  # of each column the first
    for name, said in faults.items():
        print(f"| {name} ({_READERS[name][1]}) | {'; '.join(said.values()) or 'all rows and filters'} |")  # noqa: T201
    if arguments.details:
        arguments.details.write_text(json.dumps(details, indent=1, ensure_ascii=False))


def _install(folder: Path, name: str) -> Path:
    packages = _READERS[name][1].split()
    subprocess.run(["uv", "venv", "--quiet", "--python", "3.11", str(folder)], check=True)
    python = folder / "bin/python"
    subprocess.run(["uv", "pip", "install", "--quiet", "--python", str(python), *packages], check=True)
    return python


def _stages(home: Path) -> Iterator[tuple[str, str, list[Row]]]:
    """After each change of the table: its name, where the table lies, and the rows that it must have."""
    dice, storage = random.Random(20), open_folder(home)
    sizes = zip((40, 30, 25, 10), (_DAYS[0], _DAYS[1], _DAYS[1], _DAYS[2]), strict=True)
    first, second, other, third = (_rows(dice, size, day) for size, day in sizes)
    table = rows_table(storage, METERS)
    _deliver(storage, METERS, _DAYS[0], first)
    _deliver(storage, METERS, _DAYS[1], second)
    yield "loaded", table.uri, first + second
    _deliver(storage, METERS, _DAYS[1], other)
    yield "replaced", table.uri, first + other
    for delivery in list_files(table.open())["partition.delivery"].unique():
        kept = table.scan().filter(pl.col("delivery") == delivery).collect()
        staged = [action for row in kept.iter_slices(1) for action in stage_rows(table, row)]
        merge_files(table, table.open(), delivery, list_files(table.open(), delivery), staged)
    yield "in many files", table.uri, first + other
    merge_small_files(table)
    delete_unused_files(table, timedelta(0))
    yield "after housekeeping", table.uri, first + other
    wider = replace(METERS, schema=Wider, reader=Json(paths={name: f"$.{name}" for name in Wider.column_names()}))
    _deliver(storage, wider, _DAYS[2], [{**row, "note": "new"} for row in third])
    before = [{**row, "note": None} for row in first + other]
    yield "with a new column", table.uri, before + [{**row, "note": "new"} for row in third]


def _rows(dice: random.Random, count: int, day: date) -> list[Row]:
    return [{**_row(dice), "number": dice.getrandbits(63) - 2**62, "delivery_day": day} for _ in range(count)]


def _row(dice: random.Random) -> Row:
    """Values of every type, the least and the greatest of each among them, or nothing."""
    instants = [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)]
    instants += [datetime(2021, 12, 1, 0, 0, 0, dice.randrange(10**6), UTC)]
    row = {
        "text": dice.choice(["é\n", "a'b", 'q"', "\\n", "%", "Z" * 100, "\U0001f600"]),
        "code": dice.choice(["ab", "é", "  "]),
        "moment": dice.choice(instants),
        "day": dice.choice([date(1, 1, 1), date(1582, 10, 10), date(9999, 12, 31), date(2021, 12, 1)]),
        "is_new": dice.random() < 0.5,
        **{name: _integer(dice, bits) for name, bits in (("tiny", 8), ("small", 16), ("middle", 32), ("big", 64))},
        "single": dice.choice([0.5, -1.5, 3.4028234663852886e38, 2.0**-140]),
        "double": dice.choice([0.1, -0.0, 5e-324, 1.7e308, -1e300]),
        **{name: _decimal(dice, *size) for name, size in (("price", (7, 2)), ("exact", (38, 19)), ("whole", (38, 0)))},
        "kind": dice.choice(["a", "é ", '"']),
        "label": dice.choice(["x", "é"]),
        "tags": dice.choice([[], ["é", None], ["a"]]),
        "places": dice.choice([[], [None], [{"x": 0.1, "path": [1, 2]}, {"x": None, "path": None}]]),
        "address": {"street": dice.choice(["é", None]), "floor": -128, "is_old": None},
    }
    row = {name: value if dice.random() < 0.8 else None for name, value in row.items()}
    return {**row, "taken_at": dice.choice(instants), "sent_at": dice.choice(instants)}


def _integer(dice: random.Random, bits: int) -> int:
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    return dice.choice([low, high, dice.randint(low, high)])


def _decimal(dice: random.Random, digits: int, scale: int) -> Decimal:
    unscaled = dice.choice(
        [10**digits - 1, 1 - 10**digits, 1, 0, dice.randrange(10**digits), 90071992547409930 % 10**digits]
    )
    return Decimal(unscaled).scaleb(-scale) if digits < 28 else Decimal(f"{unscaled}E-{scale}")


def _deliver(storage: Storage, source: Snapshot, day: date, rows: list[Row]) -> None:
    file = Path(storage.uri) / "landing" / source.name / str(day) / "a.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("[" + ",\n".join(map(_json, rows)) + "]")
    taken = ingest(storage, source, f"landing/{source.name}/{day}/a.json", "UTC", first_day=date(1970, 1, 1))
    assert taken
    assert (taken.accepted, taken.rejected) == (len(rows), 0), taken


def _json(row: Row) -> str:
    """A record, with its decimals as numbers in full."""
    fields = (f"{json.dumps(name)}: {_json_value(value)}" for name, value in row.items() if name != "delivery_day")
    return "{" + ", ".join(fields) + "}"


def _json_value(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    return json.dumps(value.isoformat() if isinstance(value, date) else value)


def _filters(rows: list[Row]) -> Iterator[tuple[tuple[str, str, str, Any], int]]:
    """Filters on each column, each with how many rows it is to find."""
    for column, kind in _KINDS.items():
        values = sorted({row[column] for row in rows if row[column] is not None})
        for value in dict.fromkeys((values[0], values[len(values) // 2], values[-1])):
            found = Counter(row[column] == value for row in rows)
            yield (column, "=", kind, _given(value)), found[True]
            if kind != "boolean":
                from_there = sum(row[column] is not None and row[column] >= value for row in rows)
                yield (column, ">=", kind, _given(value)), from_there


def _given(value: Any) -> Any:
    return f"{value:f}" if isinstance(value, Decimal) else value.isoformat() if isinstance(value, date) else value


def _read(python: Path, name: str, table: str, filters: list[tuple[str, str, str, Any]]) -> dict[str, Any]:
    script = Path(__file__).with_name("lake_reader.py")
    command = [str(python), str(script), _READERS[name][0], table]
    done = subprocess.run(command, input=json.dumps(filters), capture_output=True, text=True, cwd="/", check=False)
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1][:200], "counts": []}
    answer = done.stdout[done.stdout.index('{"counts"') :]
    return dict(json.loads(answer))


def _faults(found: dict[str, Any], rows: list[Row], filters: list[tuple[tuple[str, str, str, Any], int]]) -> list[str]:
    """What a reader gave otherwise than it was delivered, by the column."""
    faults = [f"rows: {found['error']}"] if "error" in found else list(_other_values(found["rows"], rows))
    wrong: dict[str, str] = {}
    for (filter_, expected), counted in zip(filters, found["counts"], strict=False):
        if counted != expected:
            column, sign, _, value = filter_
            wrong.setdefault(column, f"{column} {sign} {str(value)[:50]!r} finds {counted}, not {expected}")
    return faults + list(wrong.values())


def _other_values(found: Any, rows: list[Row]) -> Iterator[str]:
    if isinstance(found, str):
        yield f"rows: {found}"
        return
    if len(found) != len(rows):
        yield f"{len(found)} rows, not {len(rows)}"
    by_number = {row.get("number"): row for row in found}
    for column in rows[0]:
        pairs = ((by_number.get(row["number"], {}).get(column, "absent"), plain(row[column])) for row in rows)
        if other := [(seen, right) for seen, right in pairs if seen != right]:
            yield f"{column}: {len(other)} other values, as {str(other[0][0])[:60]!r} for {str(other[0][1])[:60]!r}"


if __name__ == "__main__":
    main()
