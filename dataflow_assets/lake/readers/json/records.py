"""Records of JSON, each the text of one object, to typed rows and rejects.

Here: finding the columns of an object by their paths, and telling what is wrong with a text that is none. Not here:
where in a file a record begins and ends (see `array` and `lines`), and what a row must hold (see `lake.validation`).
"""

import json

import duckdb
import polars as pl

from dataflow_assets.core.time_windows import Window
from dataflow_assets.lake.readers.base import Batch, most_names, quote
from dataflow_assets.lake.validation.validate import POSITION, validate
from dataflow_assets.sources.base import Source
from dataflow_assets.sources.formats import Json, Reject
from dataflow_assets.sources.formats.json_paths import normal_path

FAULT = "fault"
LONGEST_RECORD = 16 << 20  # bytes
RECORDS = {POSITION: pl.Int64, "line": pl.Int64, "raw": pl.String, FAULT: pl.String}

INVALID, ENCODING, TOO_LONG = "json.invalid", "json.invalid_encoding", "json.line_size_over_maximum"
_TWICE, _NO_TEXT = "json.duplicate_key", ".dtype"
_SENTENCES = {
    INVALID: "the text is not one valid JSON object.",
    ENCODING: "the text is not UTF-8.",
    TOO_LONG: "the record is longer than any that is read (16 MiB).",
    _TWICE: "an object has a key twice.",
}

# The document with its numbers in quotes. Each text gets two marks behind it, which go again, each number one on either
# side: a mark is what no JSON text holds.
_AS_WRITTEN = r"""replace(replace(regexp_replace(json::VARCHAR, '("(?:[^"\\]|\\.)*")|(-?[0-9][-+.eE0-9]*)',
    '\1' || chr(1) || '\2' || chr(1), 'g'), chr(1) || chr(1), ''), chr(1), '"')"""
_UNDECLARED = "undeclared"
_UNREAD = "list_filter(json_keys(json, $payload), lambda name: name NOT IN $keys)"


def declaration_of(source: Source) -> Json:
    """How the files of a source of JSON are written."""
    assert isinstance(source.reader, Json)
    return source.reader


def columns_at_paths(source: Source, fault: str = "NULL") -> str:
    """What to select, in SQL, from objects named `json`: each column's text, what is wrong, the keys that nobody reads.

    The fault is what is known to be wrong already.
    """
    reader = declaration_of(source)
    types = {name: column.dtype for name, column in source.schema.columns().items() if name not in reader.derived}
    where = {column: path.replace("'", "''") for column, path in reader.normal_paths.items()}
    paths = [f"{_text_at(path, types.get(column))} AS {quote(column)}" for column, path in where.items()]
    texts = [column for column in where if isinstance(types.get(column), pl.String)]
    faults = [fault, *(_is_no_text(column, where[column]) for column in texts), "NULL::VARCHAR"]
    unread = "[]::VARCHAR[]" if reader.keys is None else _UNREAD
    return ", ".join([*paths, f"coalesce({', '.join(faults)}) AS {FAULT}", f"{unread} AS {quote(_UNDECLARED)}"])


def parameters(source: Source) -> dict[str, object]:
    """The values that `columns_at_paths` speaks of."""
    reader = declaration_of(source)
    return {} if reader.keys is None else {"keys": sorted(reader.keys), "payload": normal_path(reader.payload)}


def read_records(
    connection: duckdb.DuckDBPyConnection,
    records: pl.DataFrame,
    source: Source,
    undeclared_columns: set[str],
    bounds: Window | None,
) -> Batch:
    """The rows and rejects of some records.

    Args:
        connection: which parses them.
        records: the columns RECORDS; the fault is the code of what is known to be wrong.
        source: whose rows they are.
        undeclared_columns: to which the keys that no path reads are added.
        bounds: when events may begin.
    """
    connection.register("records", records.to_arrow())
    known = f"{FAULT}, CASE WHEN json_type(json) = 'OBJECT' THEN NULL ELSE '{INVALID}' END"
    statement = f"""
        SELECT {POSITION}, line, raw, {columns_at_paths(source, known)}
        FROM (SELECT *, CASE WHEN {FAULT} IS NULL THEN try_cast(raw AS JSON) END AS json FROM records)"""  # noqa: S608
    text = pl.from_arrow(connection.execute(statement, parameters(source)).to_arrow_table())
    assert isinstance(text, pl.DataFrame)
    return batch_of_texts(text, source, undeclared_columns, bounds)


def batch_of_texts(text: pl.DataFrame, source: Source, undeclared_columns: set[str], bounds: Window | None) -> Batch:
    """The rows and rejects of records whose columns were found: RECORDS and what `columns_at_paths` selects."""
    records = text.select(
        POSITION, "line", "raw", pl.Series(FAULT, map(_find_fault, text["raw"], text[FAULT]), pl.String)
    )
    faulty = records.drop_nulls(FAULT)
    if faulty.height:
        text = text.filter(records[FAULT].is_null())
    _add_names(text[_UNDECLARED], undeclared_columns)
    derived = text.with_columns(**declaration_of(source).derived)
    found = validate(derived.select(POSITION, *source.schema.column_names()), source, bounds)
    column_of = pl.col(FAULT).str.strip_suffix(_NO_TEXT)
    message = pl.col(FAULT).replace_strict(_SENTENCES, default=pl.format("{} is not of the declared type.", column_of))
    broken = faulty.select(POSITION, code=FAULT, message=message)
    return Batch(found.accepted, _rejects(records, pl.concat([found.rejected, broken])), repaired=found.repaired)


def _text_at(path: str, dtype: pl.DataType | None) -> str:
    """What a value is read as: of a list or struct its JSON text, which tells a list from a text that looks like one.

    The parser makes a double of each number with a point or an exponent, and shows that. Where more digits count, the
    number is looked up as a text among the document's numbers as they were written.
    """
    shown = f"json->>'{path}'"
    match dtype:
        case pl.List() | pl.Struct():
            return f"nullif(to_json(json->'{path}')::VARCHAR, 'null')"
        case pl.String() | pl.Decimal() | pl.Int8() | pl.Int16() | pl.Int32() | pl.Int64():
            is_double = f"regexp_matches({shown}, '^-?[0-9]') AND json_type(json, '{path}') = 'DOUBLE'"
            return f"CASE WHEN {is_double} THEN {_AS_WRITTEN}->>'{path}' ELSE {shown} END"
    return shown


def _is_no_text(column: str, path: str) -> str:
    """The code of a column where an object or an array stands for its text; the parser shows them as texts too."""
    is_like_one = f"regexp_matches(json->>'{path}', '^[\\[{{]')"
    code = (column + _NO_TEXT).replace("'", "''")
    return f"CASE WHEN {is_like_one} AND json_type(json, '{path}') IN ('OBJECT', 'ARRAY') THEN '{code}' END"


class _TwiceError(Exception):
    """An object has a key twice."""


def _require_different_keys(pairs: list[tuple[str, object]]) -> None:
    if len(dict(pairs)) < len(pairs):
        raise _TwiceError


# DuckDB takes a key twice without a word, at any depth; Python shows each object, and need not make its numbers.
_decoder = json.JSONDecoder(
    object_pairs_hook=_require_different_keys, parse_int=len, parse_float=len, parse_constant=len
)


def _find_fault(raw: str, known: str | None) -> str | None:
    """The code of what is wrong with an object that DuckDB could read, or had to say something against already."""
    if known:
        return known
    try:
        _decoder.raw_decode(raw, raw.index("{"))
    except _TwiceError:
        return _TWICE
    except (ValueError, RecursionError):
        return INVALID
    return None


def _add_names(found: pl.Series, undeclared_columns: set[str]) -> None:
    """Add the names in lists of names to those known, as long as there are not too many."""
    names = found.explode().drop_nulls().unique(maintain_order=True)
    undeclared_columns.update(most_names(names, (), undeclared_columns))


def _rejects(records: pl.DataFrame, rejected: pl.DataFrame) -> list[Reject]:
    if rejected.is_empty():
        return []
    found = rejected.join(records, on=POSITION, how="left").sort(POSITION)
    return [
        Reject(line=row["line"], code=row["code"], message=row["message"], raw=row["raw"])
        for row in found.iter_rows(named=True)
    ]
