"""Records of JSON, each the text of one object, to typed rows and rejects.

Here: finding the columns of an object by their paths, and telling what is wrong with a text that is none. Not here:
where in a file a record begins and ends (see `array` and `lines`), and what a row must hold (see `lake.validation`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import duckdb
import polars as pl

from dataflow_assets.core.time_windows import Window
from dataflow_assets.lake.readers.base import Batch, literal, quote
from dataflow_assets.lake.readers.json.keys import ALIKE, INVALID, TWICE
from dataflow_assets.lake.readers.json.names import Names, Place
from dataflow_assets.lake.validation.validate import POSITION, validate
from dataflow_assets.sources.formats import Reject
from dataflow_assets.sources.formats.json_paths import find_holders, is_of_many, normal_path

FAULT = "fault"
LONGEST_RECORD = 8 << 20  # bytes
RECORDS = {POSITION: pl.Int64, "line": pl.Int64, "raw": pl.String, FAULT: pl.String}

ENCODING, TOO_LONG = "json.invalid_encoding", "json.line_size_over_maximum"
_NO_TEXT, _NO_WAY = ".dtype", ".path"
_SENTENCES = {
    INVALID: "the text is not one valid JSON object.",
    ENCODING: "the text is not UTF-8.",
    TOO_LONG: "the record is longer than any that is read (8 MiB).",
    TWICE: "an object has a key twice, or two keys of one column.",
}

# The document with its numbers in quotes. Each text gets two marks behind it, which go again, each number one on either
# side: a mark is what no JSON text holds.
_AS_WRITTEN = r"""replace(replace(regexp_replace(json::VARCHAR, '("(?:[^"\\]|\\.)*")|(-?[0-9][-+.eE0-9]*)',
    '\1' || chr(1) || '\2' || chr(1), 'g'), chr(1) || chr(1), ''), chr(1), '"')"""
_UNDECLARED = "undeclared"
_KEYS = "json_keys(json, $payload)"


def columns_at_paths(names: Names, fault: str = "NULL") -> str:
    """What to select, in SQL, from objects named `json`: each column's text, what is wrong, the keys that nobody reads.

    The fault is what is known to be wrong already.
    """
    reader = names.reader
    types = {name: column.dtype for name, column in names.source.schema.columns().items() if name not in reader.derived}
    places = {column: names.places(column) for column in reader.paths}
    texts = [f"{_text_of(found, types.get(column))} AS {quote(column)}" for column, found in places.items()]
    faults = [fault, *(fault for column, found in places.items() for fault in _faults(column, found, types))]
    unread = "[]::VARCHAR[]" if names.read_keys is None else _unread(places.values())
    known = f"coalesce({', '.join([*faults, 'NULL::VARCHAR'])})"
    return ", ".join([*texts, f"{known} AS {FAULT}", f"{unread} AS {quote(_UNDECLARED)}"])


def _unread(columns: Iterable[Sequence[Place]]) -> str:
    """The keys that nobody reads: those of no place, and of a column's other places where the first one is there."""
    conditions = ["name NOT IN $keys"]
    for first, *others in columns:
        if others:
            keys = ", ".join(literal(place.first_key or "") for place in others)
            conditions.append(f"name IN ({keys}) AND list_contains({_KEYS}, {literal(first.first_key or '')})")
    return f"list_filter({_KEYS}, lambda name: {' OR '.join(conditions)})"


def parameters(names: Names) -> dict[str, object]:
    """The values that `columns_at_paths` speaks of."""
    keys = names.read_keys
    return {} if keys is None else {"keys": keys, "payload": normal_path(names.reader.payload)}


def read_records(
    connection: duckdb.DuckDBPyConnection, records: pl.DataFrame, names: Names, bounds: Window | None
) -> Batch:
    """The rows and rejects of some records.

    Args:
        connection: which parses them.
        records: the columns RECORDS; the fault is the code of what is known to be wrong.
        names: what is known of the names in the file, which is added to.
        bounds: when events may begin.
    """
    text = _read_texts(connection, records, names)
    if names.note_alike(_keys(text)):
        text = _read_texts(connection, records, names)
    return batch_of_texts(connection, text, names, bounds)


def _read_texts(connection: duckdb.DuckDBPyConnection, records: pl.DataFrame, names: Names) -> pl.DataFrame:
    connection.register("records", records.to_arrow())
    known = f"{FAULT}, CASE WHEN json_type(json) = 'OBJECT' THEN NULL ELSE '{INVALID}' END"
    statement = f"""
        SELECT {POSITION}, line, raw, {columns_at_paths(names, known)}
        FROM (SELECT *, CASE WHEN {FAULT} IS NULL THEN try_cast(raw AS JSON) END AS json FROM records)"""  # noqa: S608
    text = pl.from_arrow(connection.execute(statement, parameters(names)).to_arrow_table())
    assert isinstance(text, pl.DataFrame)
    return text


def read_again_if_alike(
    connection: duckdb.DuckDBPyConnection, text: pl.DataFrame, names: Names, bounds: Window | None
) -> Batch:
    """As `batch_of_texts`; where keys are alike to those of paths, which are known now, the records are read again."""
    if names.note_alike(_keys(text)):
        return read_records(connection, text.select(list(RECORDS)), names, bounds)
    return batch_of_texts(connection, text, names, bounds)


def batch_of_texts(
    connection: duckdb.DuckDBPyConnection, text: pl.DataFrame, names: Names, bounds: Window | None
) -> Batch:
    """The rows and rejects of records whose columns were found: RECORDS and what `columns_at_paths` selects."""
    source = names.source
    faults = names.keys.find_faults(text.select("raw", FAULT).iter_rows())
    records = text.select(POSITION, "line", "raw", pl.Series(FAULT, faults, pl.String))
    faulty = records.drop_nulls(FAULT)
    if faulty.height:
        text = text.filter(records[FAULT].is_null())
    if absent := names.note(_keys(text), text):
        names.absent.difference_update(_find_present(connection, text, names, absent))
    derived = text.with_columns(**names.reader.derived)
    found = validate(derived.select(POSITION, *source.schema.column_names()), source, bounds, names.repeated_hour)
    broken = faulty.select(POSITION, code=FAULT, message=_message())
    return Batch(found.accepted, _rejects(records, pl.concat([found.rejected, broken])), repaired=found.repaired)


def _message() -> pl.Expr:
    """The sentence of a fault."""
    fault = pl.col(FAULT)
    no_text = pl.format("{} is not of the declared type.", fault.str.strip_suffix(_NO_TEXT))
    no_way = pl.format(
        "the path of {} leads through something else than the objects and arrays that it names.",
        fault.str.strip_suffix(_NO_WAY),
    )
    alike = pl.format(
        "an object on the path of {} lacks its key, and has one that differs by case or outer blanks.",
        fault.str.strip_suffix(ALIKE),
    )
    of_column = (
        pl.when(fault.str.ends_with(_NO_WAY))
        .then(no_way)
        .when(fault.str.ends_with(ALIKE))
        .then(alike)
        .otherwise(no_text)
    )
    return fault.replace_strict(_SENTENCES, default=of_column)


def _find_present(
    connection: duckdb.DuckDBPyConnection, text: pl.DataFrame, names: Names, columns: Sequence[str]
) -> set[str]:
    """Those of some columns, all of whose texts are null, of which an object has the key: it says null, or is empty."""
    if text.is_empty():
        return set()
    connection.register("objects", text.select("raw").to_arrow())
    said = ", ".join(f"bool_or({_is_present(names.places(column))})" for column in columns)
    found = connection.execute(f"SELECT {said} FROM (SELECT raw::JSON AS json FROM objects)").fetchone()  # noqa: S608
    assert found
    return {column for column, is_present in zip(columns, found, strict=True) if is_present}


def _is_present(places: Sequence[Place]) -> str:
    """Whether an object has the key of a value at one of some places, or a null in the place of what would have it."""
    said = ["false"]
    for place in places:
        if not (holders := place.holders):
            return "true"
        said.append(f"json_exists(json, {literal(holders[-1])})")
        said += (f"json_type(json, {literal(holder)}) = 'NULL'" for holder in holders[:-1])
    return f"coalesce({' OR '.join(f'coalesce({one}, false)' for one in said)}, false)"


def _text_of(places: Sequence[Place], dtype: pl.DataType | None) -> str:
    """The text of a value at the first of some places that an object has."""
    first, *others = places
    if not others:
        return _text_at(first.path, dtype)
    cases = (
        f"WHEN json_exists(json, {literal(place.first_path or '$')}) THEN {_text_at(place.path, dtype)}"
        for place in places
    )
    return f"CASE {' '.join(cases)} END"


def _faults(column: str, places: Sequence[Place], types: Mapping[str, pl.DataType]) -> Iterator[str]:
    """The codes of what is wrong with a column: no text is one, or two keys may be the column's."""
    if isinstance(types.get(column), pl.String):
        yield from (_is_no_text(column, place.path) for place in places)
    yield from (fault for place in places for fault in _breaks_off(column, place.path))
    if len(places) > 2:
        first, *others = (f"json_exists(json, {literal(place.first_path or '$')})" for place in places)
        count = " + ".join(f"{other}::INT" for other in others)
        yield f"CASE WHEN NOT {first} AND {count} > 1 THEN '{TWICE}' END"


def _text_at(path: str, dtype: pl.DataType | None) -> str:
    """What a value is read as: of a list or struct its JSON text, which tells a list from a text that looks like one.

    The parser makes a double of each number with a point or an exponent, and shows that. Where more digits count, the
    number is looked up as a text among the document's numbers as they were written.
    """
    place = literal(path)
    shown = f"(json->>{place})"
    match dtype:
        case pl.List() | pl.Struct():
            return f"nullif(to_json(json->{place})::VARCHAR, 'null')"
        case pl.String() | pl.Decimal() | pl.Int8() | pl.Int16() | pl.Int32() | pl.Int64():
            is_double = f"regexp_matches({shown}, '^-?[0-9]') AND json_type(json, {place}) = 'DOUBLE'"
            return f"CASE WHEN {is_double} THEN {_AS_WRITTEN}->>{place} ELSE {shown} END"
    return shown


def _is_no_text(column: str, path: str) -> str:
    """The code of a column where an object or an array stands for its text; the parser shows them as texts too."""
    place = literal(path)
    is_like_one = f"regexp_matches(json->>{place}, '^[\\[{{]')"
    code = literal(column + _NO_TEXT)
    return f"CASE WHEN {is_like_one} AND json_type(json, {place}) IN ('OBJECT', 'ARRAY') THEN {code} END"


def _breaks_off(column: str, path: str) -> Iterator[str]:
    """The code of a column where its path leads through something else than an object or an array that it names.

    An empty list or text there holds nothing: so some writers show an object without keys.
    """
    place = literal(path)
    is_absent = f"len(json->>{place}) = 0" if is_of_many(path) else f"(json->>{place}) IS NULL"
    for holder, kind in find_holders(path):
        held = literal(holder)
        is_other = f"json_type(json, {held}) NOT IN ('{kind}', 'NULL') AND (json->>{held}) NOT IN ('[]', '{{}}', '')"
        yield f"CASE WHEN {is_absent} THEN CASE WHEN {is_other} THEN {literal(column + _NO_WAY)} END END"


def _keys(text: pl.DataFrame) -> pl.Series:
    """The keys that nobody reads, each once."""
    return text[_UNDECLARED].explode().drop_nulls().unique(maintain_order=True)


def _rejects(records: pl.DataFrame, rejected: pl.DataFrame) -> list[Reject]:
    if rejected.is_empty():
        return []
    found = rejected.join(records, on=POSITION, how="left").sort(POSITION)
    return [
        Reject(line=row["line"], code=row["code"], message=row["message"], raw=row["raw"])
        for row in found.iter_rows(named=True)
    ]
