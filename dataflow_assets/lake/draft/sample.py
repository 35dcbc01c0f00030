"""A file to a sample of texts, with how its format is declared.

Here: telling the format, the delimiter, the encoding and the paths. Not here: what the texts mean (see `columns`).
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from dataflow_assets.errors import FormatError
from dataflow_assets.lake.readers.archives import plain_files
from dataflow_assets.sources.formats import Avro, Csv, Excel, Format, Json, Parquet, RecordFormat, all_formats

MOST_ROWS = 200_000
_SNIFFED = 20  # lines
_DELIMITERS = ",;\t|"
_MOST_JSON = 256 << 20  # bytes of an array that are read
_JSON = Json(paths={}, lines=False)


@dataclass(frozen=True)
class Sample:
    """The first rows of a file.

    `texts` has a String column for each column, null where it is empty; `reader` says in Python how the file is
    declared; `paths` are the JSON paths of the columns; `types` the declared types that the file itself tells, `lists`
    those of columns that hold lists; `notes` what was guessed or left out.
    """

    texts: pl.DataFrame
    reader: str
    format_name: str
    paths: Mapping[str, str] = field(default_factory=dict)
    lists: Mapping[str, str] = field(default_factory=dict)
    types: Mapping[str, pl.DataType] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_sample(path: Path) -> Sample:
    """Look into a file of any format.

    Raises:
        FormatError: it is of no format that can be told, or holds no rows.
    """
    form = _guess_format(path)
    with_reader: dict[type[Format], Format] = {
        Csv: Csv(),
        Json: _JSON,
        Parquet: Parquet(),
        Excel: Excel(),
        Avro: Avro(),
    }
    if form not in with_reader:
        raise FormatError(f"{path.name} is of a format whose columns nobody can guess: declare it by hand.")
    reader = with_reader[form]
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if form is Csv and ".tsv" in suffixes:
        reader = Csv(delimiter="\t")
    if form is Json and {".jsonl", ".ndjson"} & set(suffixes):
        reader = Json(paths={}, lines=True)
    with closing(plain_files(path, reader)) as files:  # each is there until the next one is asked for
        file = next(files, None)
        found = _read(file.path, reader) if file else None
    if found is None or found.texts.is_empty():
        raise FormatError(f"{path.name} holds no rows, of which a source could be drafted.")
    return found


def _guess_format(path: Path) -> type[Format] | None:
    endings = {ending: form for form in all_formats() for ending in form.endings}
    for suffix in reversed(path.suffixes):
        if form := endings.get(suffix.lower()):
            return form
    with path.open("rb") as file:
        beginning = file.read(4096)
    for form in all_formats():
        if form.magic and beginning.startswith(form.magic):
            return form
    return Json if beginning.lstrip()[:1] in (b"[", b"{") else Csv


def _read(path: Path, reader: Format) -> Sample:
    match reader:
        case Json():
            return _read_json(path)
        case Parquet():
            frame = pl.scan_parquet(path).head(MOST_ROWS).collect()
            flat = frame.select(name for name, dtype in frame.schema.items() if not dtype.is_nested())
            left_out = tuple(f"{name} holds lists or structs" for name in frame.columns if name not in flat.columns)
            return Sample(flat.cast(pl.String), "Parquet()", "Parquet", types=dict(flat.schema), notes=left_out)
        case RecordFormat():
            texts = pl.concat([records.values for records in reader.read(path, {})], how="diagonal").head(MOST_ROWS)
            name = type(reader).__name__
            return Sample(texts, f"{name}()", name)
    return _read_csv(path)


def _read_csv(path: Path) -> Sample:
    with path.open("rb") as file:
        content = file.read(64 << 20)
    encoding = _guess_encoding(content)
    text = content.decode(encoding, errors="ignore")
    lines = text.splitlines()[:_SNIFFED]
    delimiter = max(_DELIMITERS, key=lambda mark: _fits(lines, mark))
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    first = next(rows, [])
    has_header = all(name.strip() and not name.strip().lstrip("-").replace(".", "").isdigit() for name in first)
    names = [name.removeprefix("\ufeff") if has_header else f"column_{n}" for n, name in enumerate(first)]
    kept = [row for row in islice(rows, MOST_ROWS) if len(row) == len(names)]
    if not has_header:
        kept.insert(0, first)
    places = {name: place for place, name in reversed(list(enumerate(names))) if name}
    said = {
        "delimiter": delimiter if delimiter != "," else None,
        "encoding": encoding if encoding != "utf-8" else None,
        "header": None if has_header else False,
    }
    options = ", ".join(f"{option}={value!r}" for option, value in said.items() if value is not None)
    notes = (f"the encoding {encoding} is a guess",) if encoding not in ("utf-8", "utf-16") else ()
    frame = pl.DataFrame(
        [pl.Series(name, [row[places[name]] for row in kept], pl.String) for name in dict.fromkeys(names) if name]
    )
    texts = frame.with_columns(pl.when(pl.all() != "").then(pl.all()))
    return Sample(texts, f"Csv({options})".replace("'", '"'), "Csv", notes=notes)


def _guess_encoding(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        content[: content.rfind(b"\n") + 1].decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _fits(lines: list[str], delimiter: str) -> tuple[bool, int]:
    """Whether all lines have as many fields, more than one, and how many."""
    counts = {len(row) for row in csv.reader(lines, delimiter=delimiter) if row}
    return (len(counts) == 1 and max(counts) > 1, max(counts, default=0))


def _read_json(path: Path) -> Sample:
    objects = list(_objects(path))
    leaves: dict[str, list[Any]] = {}
    for number, one in enumerate(objects):
        for json_path, value in _leaves(one, "$"):
            leaves.setdefault(json_path, [None] * number).append(value)
        for values in leaves.values():
            values.extend([None] * (number + 1 - len(values)))
    named = _names_of(leaves)
    lists = {name: kind for name, key in named.items() if "[*]" in key and (kind := _list_kind(leaves[key]))}
    flat = {name: key for name, key in named.items() if "[*]" not in key}
    columns = [pl.Series(name, map(_text, leaves[key]), pl.String) for name, key in flat.items()]
    with path.open("rb") as file:
        is_lines = file.read(4096).lstrip()[:1] != b"["
    notes = tuple(
        f"{key} is kept out: it is always empty, or holds several types"
        for name, key in named.items()
        if name not in {**flat, **lists}
    )
    paths = {name: key for name, key in named.items() if name in flat or name in lists}
    return Sample(
        pl.DataFrame(columns), "lines=True" if is_lines else "", "Json", paths=paths, lists=lists, notes=notes
    )


def _objects(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(_MOST_JSON)
        found = (
            json.loads(text) if text.lstrip().startswith("[") else map(json.loads, filter(str.strip, text.split("\n")))
        )
        yield from islice((one for one in found if isinstance(one, dict)), MOST_ROWS)
    except ValueError as error:
        raise FormatError(f"{path.name} is no JSON of which a source can be drafted: {error}.") from None


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Each scalar of an object by its path; of a list of objects each key, as a list."""
    for key, inner in value.items():
        if {'"', "'", "\\"} & set(key):
            continue  # no path names such a key
        place = f"{path}.{key}" if key.isidentifier() else f'{path}."{key}"'
        if isinstance(inner, dict):
            yield from _leaves(inner, place)
        elif isinstance(inner, list) and inner and all(isinstance(one, dict) for one in inner):
            found: dict[str, list[Any]] = {}
            for one in inner:
                for leaf, scalar in _leaves(one, ""):
                    found.setdefault(leaf, []).append(scalar)
            yield from ((f"{place}[*]{leaf}", scalars) for leaf, scalars in found.items())
        else:
            yield (f"{place}[*]" if isinstance(inner, list) else place), inner


def _names_of(paths: Mapping[str, object]) -> dict[str, str]:
    """A name for each path: its last key, with those before it where that is not enough."""
    parts = {path: path.replace("[*]", "").replace('"', "").split(".")[1:] for path in paths}
    last = [part[-1] for part in parts.values()]
    return {
        ("_".join(part) if "[*]" in path or last.count(part[-1]) > 1 else part[-1]): path
        for path, part in parts.items()
    }


def _list_kind(values: list[Any]) -> str | None:
    kinds = {type(one) for inner in values if isinstance(inner, list) for one in inner if one is not None}
    names = {str: "dy.String(nullable=True)", int: "dy.Int64(nullable=True)", bool: "dy.Bool(nullable=True)"}
    return names.get(kinds.pop()) if len(kinds) == 1 else None


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)
