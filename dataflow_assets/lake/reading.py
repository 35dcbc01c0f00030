"""Files to batches of typed rows and rejects.

Here: reading one local file as its source declares, in batches, so that memory follows the batch; and
counting what a file holds without parsing it. Not here: where files come from and where rows go.
"""

import csv
import mmap
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import duckdb
import polars as pl

from dataflow_assets.errors import FormatError
from dataflow_assets.lake.validation import POSITION, validate
from dataflow_assets.sources.declaration import Csv, Json, Source

BATCH_ROWS = 122_880 * 4  # whole row groups of DuckDB's readers


@dataclass(frozen=True, kw_only=True)
class Reject:
    """One rejected row, or one refused file: its text as delivered, where it stood, and why."""

    line: int | None
    code: str
    message: str
    raw: str


@dataclass(frozen=True)
class Batch:
    """Some accepted rows (the schema's columns and `position` Int64) and some rejects of one file."""

    rows: pl.DataFrame
    rejects: list[Reject] = field(default_factory=list)


def read_file(path: Path, source: Source) -> Iterator[Batch]:
    """Read a file in batches; accepted rows come in the order of the file.

    `position` numbers the rows that the format's own rules let through, from 0.

    Raises:
        FormatError: the file as a whole is not what its source declares.
    """
    if isinstance(source.reader, Csv):
        return _read_csv(path, source, source.reader)
    return _read_json(path, source, source.reader)


def count_delivered(path: Path, source: Source) -> int:
    """Count the rows in the bytes of a file without parsing them, for the sum that shows that nothing is lost.

    Raises:
        FormatError: a JSON file is not one whole array.
    """
    if path.stat().st_size == 0:
        return 0
    if isinstance(source.reader, Csv):
        return max(sum(1 for _ in _records(path, source.reader.quote)) - 1, 0)
    return _count_json_objects(path)


def check_format(path: Path, source: Source) -> None:
    """Look whether a file can be of its source at all, before it is landed.

    Raises:
        FormatError: it cannot.
    """
    if path.stat().st_size and isinstance(source.reader, Csv):
        check_header(path, source)
    elif path.stat().st_size:
        _count_json_objects(path)


# CSV


def check_header(path: Path, source: Source) -> list[str]:
    """The column names of a CSV file, as its first line gives them.

    Raises:
        FormatError: the line is not text, lacks a declared column, or names one twice.
    """
    assert isinstance(source.reader, Csv)
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            rows = csv.reader(file, delimiter=source.reader.delimiter, quotechar=source.reader.quote, strict=True)
            names = next(rows, [])
    except csv.Error as error:
        raise FormatError(f"{path.name} is not a CSV file: {error}.") from None
    missing = [column for column in source.schema.column_names() if column not in names]
    if missing:
        raise FormatError(
            f"{path.name} is not a CSV file of {source.name}: its first line lacks the column {', '.join(missing)}."
        )
    if len(set(names)) < len(names):
        raise FormatError(f"{path.name} names a column twice in its first line.")
    return names


def _read_csv(path: Path, source: Source, reader: Csv) -> Iterator[Batch]:
    if path.stat().st_size == 0:
        return
    names = check_header(path, source)
    wanted = ", ".join(_quoted(column) for column in source.schema.column_names())
    wrong: list[tuple[int, str, str]] = []
    with _parser(path) as connection:
        statement = f"""
            SELECT row_number() OVER () - 1 AS {POSITION}, {wanted}
            FROM read_csv($path, header = true, auto_detect = false, strict_mode = true, columns = $columns,
                          delim = $delimiter, quote = $quote, escape = $quote, store_rejects = true)"""  # noqa: S608
        values = {
            "path": str(path),
            "columns": dict.fromkeys(names, "VARCHAR"),
            "delimiter": reader.delimiter,
            "quote": reader.quote,
        }
        for text in _batches(connection, statement, values):
            rows, rejected = validate(text, source)
            wrong += rejected.rows()
            yield Batch(rows)
        ragged = _ragged(connection)
    rejects = _with_raw_text(path, reader, wrong, {reject.line for reject in ragged if reject.line})
    yield Batch(_no_rows(source), sorted(ragged + rejects, key=lambda reject: reject.line or 0))


def _ragged(connection: duckdb.DuckDBPyConnection) -> list[Reject]:
    """The lines that the CSV parser refused, one reject each."""
    found = connection.execute(
        "SELECT line, first(error_type), first(csv_line) FROM reject_errors GROUP BY line ORDER BY line"
    ).fetchall()
    return [
        Reject(
            line=line,
            code=f"csv.{str(kind).lower().replace(' ', '_')}",
            message=f"the line cannot be read as CSV: {str(kind).lower()}.",
            raw=raw or "",
        )
        for line, kind, raw in found
    ]


def _with_raw_text(path: Path, reader: Csv, wrong: list[tuple[int, str, str]], refused: set[int]) -> list[Reject]:
    """Give each rejected row, known by its position, its line number and its text as delivered."""
    if not wrong:
        return []
    below_header = islice(_records(path, reader.quote), 1, None)
    parsed = ((line, raw) for line, raw in below_header if line not in refused)
    reasons = {position: (code, message) for position, code, message in wrong}
    rejects = []
    for position, (line, raw) in enumerate(islice(parsed, max(reasons) + 1)):
        if position in reasons:
            code, message = reasons[position]
            rejects.append(Reject(line=line, code=code, message=message, raw=raw))
    return rejects


def _records(path: Path, quote: str) -> Iterator[tuple[int, str]]:
    """The records of a CSV file that are not blank, the header among them: line number (from 1) and text.

    A record goes on over the line's end while a quote is open.
    """
    mark = quote.encode()
    start, is_open = 1, False
    parts: list[bytes] = []
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not parts:
                start = number
            parts.append(line)
            is_open ^= line.count(mark) % 2 == 1
            if not is_open:
                record, parts = b"".join(parts), []
                if text := record.rstrip(b"\r\n"):
                    yield start, text.decode("utf-8", errors="replace")
    if parts:
        yield start, b"".join(parts).rstrip(b"\r\n").decode("utf-8", errors="replace")


# JSON

_JSON_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"|[{}\[\]]', re.DOTALL)


def _read_json(path: Path, source: Source, reader: Json) -> Iterator[Batch]:
    if path.stat().st_size == 0:
        return
    _count_json_objects(path)
    paths = ", ".join(f"json->>'{path}' AS {_quoted(column)}" for column, path in reader.paths.items())
    statement = f"""
        SELECT row_number() OVER () - 1 AS {POSITION}, json::VARCHAR AS raw, {paths}
        FROM read_json_objects($path, format = 'array')"""  # noqa: S608
    with _parser(path) as connection:
        for text in _batches(connection, statement, {"path": str(path)}):
            derived = text.with_columns(**reader.derived)
            rows, rejected = validate(derived.select(POSITION, *source.schema.column_names()), source)
            yield Batch(rows, _json_rejects(text, rejected))


def _json_rejects(text: pl.DataFrame, rejected: pl.DataFrame) -> list[Reject]:
    found = rejected.join(text.select(POSITION, "raw"), on=POSITION, how="left", maintain_order="left")
    return [
        Reject(line=None, code=row["code"], message=row["message"], raw=row["raw"])
        for row in found.iter_rows(named=True)
    ]


def _count_json_objects(path: Path) -> int:
    """Count the objects of a JSON array by its brackets alone.

    Raises:
        FormatError: the file is not one array, closed and without a comma before its end.
    """
    depth = objects = 0
    end = 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for token in _JSON_TOKEN.finditer(content):
            kind = token.group()[:1]
            if kind == b'"':
                continue
            if depth == 0 and (kind != b"[" or end):
                break
            objects += kind == b"{" and depth == 1
            depth += 1 if kind in b"[{" else -1
            end = token.end()
        whole = depth == 0 and end and not content[end:].strip() and not _ends_in_comma(content, end)
    if not whole:
        raise FormatError(f"{path.name} is not a JSON file that holds one whole array of objects.")
    return objects


def _ends_in_comma(content: mmap.mmap, end: int) -> bool:
    return content[max(end - 1000, 0) : end - 1].rstrip().endswith(b",")


# both


@contextmanager
def _parser(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    try:
        with duckdb.connect() as connection:
            yield connection
    except duckdb.Error as error:
        raise FormatError(f"{path.name} cannot be parsed: {str(error).splitlines()[0]}") from None


def _batches(
    connection: duckdb.DuckDBPyConnection, statement: str, values: Mapping[str, object]
) -> Iterator[pl.DataFrame]:
    for batch in connection.execute(statement, values).to_arrow_reader(BATCH_ROWS):
        frame = pl.from_arrow(batch)
        assert isinstance(frame, pl.DataFrame)
        yield frame


def _no_rows(source: Source) -> pl.DataFrame:
    return source.schema.create_empty().with_columns(pl.lit(None, pl.Int64).alias(POSITION))


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
