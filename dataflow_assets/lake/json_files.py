"""JSON files, each one array of objects, to batches of typed rows and rejects.

Here: reading one, and counting its objects by their brackets alone. Not here: what a row must hold (see
`validation`).
"""

import mmap
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import polars as pl

from dataflow_assets.errors import FormatError
from dataflow_assets.lake.parsing import (
    MOST_NAMES,
    Batch,
    Content,
    Reject,
    batches,
    no_rows,
    parser,
    pattern,
    quoted,
)
from dataflow_assets.lake.validation import POSITION, validate
from dataflow_assets.sources.declaration import Json, Source

# The document with its numbers in quotes. Each text gets two marks behind it, which go again, each number one on either
# side: a mark is what no JSON text holds.
_AS_WRITTEN = r"""replace(replace(regexp_replace(json::VARCHAR, '("(?:[^"\\]|\\.)*")|(-?[0-9][-+.eE0-9]*)',
    '\1' || chr(1) || '\2' || chr(1), 'g'), chr(1) || chr(1), ''), chr(1), '"')"""
_JSON_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[{}\[\]]', re.DOTALL)
_KEPT_OUT = "kept out"
_UNREAD = "list_filter(json_keys(json), lambda name: name NOT IN $keys)"


def read_json(path: Path, source: Source, reader: Json) -> Content:
    """Read a JSON file that is not empty.

    Raises:
        FormatError: the file is not one whole array.
    """
    kept_out: set[str] = set()
    return Content(_batches(path, source, reader, kept_out), kept_out)


def _batches(path: Path, source: Source, reader: Json, kept_out: set[str]) -> Iterator[Batch]:
    """The file's rows, in order, each batch with its rejects; the first tells how many there are.

    The keys that no path reads are added to `kept_out`.
    """
    objects = count_objects(path)
    yield Batch(no_rows(source), delivered=objects)
    types = {name: column.dtype for name, column in source.schema.columns().items() if name not in reader.derived}
    paths = ", ".join(
        f"{_text_at(path, types.get(column))} AS {quoted(column)}" for column, path in reader.paths.items()
    )
    statement = f"""
        SELECT row_number() OVER () - 1 AS {POSITION}, json::VARCHAR AS raw, {paths},
            {"[]::VARCHAR[]" if reader.keys is None else _UNREAD} AS {quoted(_KEPT_OUT)}
        FROM read_json_objects($path, format = 'array', compression = 'uncompressed', hive_partitioning = false)"""  # noqa: S608
    with parser(path) as connection:
        values = {"path": pattern(path)} | ({"keys": sorted(reader.keys)} if reader.keys else {})
        for text in batches(connection, statement, values):
            _note(text[_KEPT_OUT], kept_out)
            derived = text.with_columns(**reader.derived)
            rows, rejected = validate(derived.select(POSITION, *source.schema.column_names()), source)
            yield Batch(rows, _json_rejects(text, rejected))
            objects -= text.height
    if objects:
        raise FormatError(f"{path.name} is not a JSON file that holds one array of objects alone.")


def _text_at(path: str, dtype: pl.DataType | None) -> str:
    """What a value is read as: of a list or struct its JSON text, which tells a list from a text that looks like one.

    The parser makes a double of each number with a point or an exponent, and shows that. Where more digits count, the
    number is looked up as a text among the document's numbers as they were written.
    """
    shown = f"json->>'{path}'"
    match dtype:
        case pl.List() | pl.Struct():
            return f"nullif(to_json(json->'{path}')::VARCHAR, 'null')"
        case pl.String() | pl.Decimal():
            is_double = f"regexp_matches({shown}, '^-?[0-9]') AND json_type(json, '{path}') = 'DOUBLE'"
            return f"CASE WHEN {is_double} THEN {_AS_WRITTEN}->>'{path}' ELSE {shown} END"
    return shown


def _note(found: pl.Series, kept_out: set[str]) -> None:
    """Add the names in lists of names to those known, as long as there are not too many."""
    names = found.explode().drop_nulls().unique(maintain_order=True)
    kept_out.update(islice((name for name in names if name not in kept_out), MOST_NAMES - len(kept_out)))


def _json_rejects(text: pl.DataFrame, rejected: pl.DataFrame) -> list[Reject]:
    found = rejected.join(text.select(POSITION, "raw"), on=POSITION, how="left", maintain_order="left")
    return [
        Reject(line=None, code=row["code"], message=row["message"], raw=row["raw"])
        for row in found.iter_rows(named=True)
    ]


def count_objects(path: Path) -> int:
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
