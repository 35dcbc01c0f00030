"""A file of any format to a sample of texts, with how its format is declared.

Here: telling the format, and looking into files whose columns have names of their own. Not here: text and JSON (a
module each), and what the texts mean (see `columns`).
"""

import re
import zipfile
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

import polars as pl

from dataflow_assets.errors import FormatError
from dataflow_assets.lake.draft.base import MOST_ROWS, Sample, write_options
from dataflow_assets.lake.draft.csv_sample import read_csv
from dataflow_assets.lake.draft.fixed_width_sample import read_fixed_width
from dataflow_assets.lake.draft.json_sample import read_json
from dataflow_assets.lake.readers.archives import plain_files
from dataflow_assets.lake.readers.beginnings import describe_beginning
from dataflow_assets.sources.companions import IGNORED, is_ignored
from dataflow_assets.sources.formats import (
    Avro,
    Csv,
    Excel,
    FixedWidth,
    Format,
    Json,
    Parquet,
    RecordFormat,
    all_formats,
)

_BEGINNING_BYTES = 4096
_HIGHEST_HEADER = 10  # row of a sheet in which names are looked for
_TOLD = re.compile(r"column \d+")
_JSON = Json(paths={}, lines=False)


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
        FixedWidth: FixedWidth(widths={"line": 1}),
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
            said = f" {_describe(file.path)}" if file and form is Csv and file.path.stat().st_size else ""
            raise FormatError(f"{path.name} holds no rows, of which a source could be drafted.{said}")
    return found


def _describe(path: Path) -> str:
    with path.open("rb") as file:
        return describe_beginning(file.read(_BEGINNING_BYTES))


def _guess_format(path: Path) -> type[Format] | None:
    endings = {ending: form for form in all_formats() for ending in form.endings}
    for name in (path.name, *_names_in_zip(path)):
        for suffix in reversed(Path(name).suffixes):
            if form := endings.get(suffix.lower()):
                return form
    with path.open("rb") as file:
        beginning = file.read(_BEGINNING_BYTES)
    for form in all_formats():
        if form.magic and beginning.startswith(form.magic):
            return form
    return Json if beginning.lstrip()[:1] in (b"[", b"{") else Csv


def _names_in_zip(path: Path) -> list[str]:
    """The names of the files in a zip archive that is no workbook; none where it is another file."""
    if not zipfile.is_zipfile(path):
        return []
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if not is_ignored(name, IGNORED)]
    return [] if {"[Content_Types].xml", "content.xml"} & set(names) else names


def _read(path: Path, reader: Format) -> Sample:
    match reader:
        case Json():
            return read_json(path)
        case FixedWidth():
            return read_fixed_width(path)
        case Parquet():
            frame = _read_parquet(path)
            is_flat = {name: dtype != pl.Binary and not dtype.is_nested() for name, dtype in frame.schema.items()}
            flat = frame.select(name for name in frame.columns if is_flat[name])
            left_out = tuple(f"{name} holds lists, structs or bytes" for name in frame.columns if not is_flat[name])
            return Sample(flat.cast(pl.String), "Parquet()", "Parquet", types=dict(flat.schema), notes=left_out)
        case Excel():
            row = _find_header_row(path)
            texts = _read_records(path, Excel(header_row=row))
            notes = (f"the names stand in row {row}",) if row > 1 else ()
            return Sample(texts, f"Excel({write_options({'header_row': row if row > 1 else 0})})", "Excel", notes=notes)
        case RecordFormat():
            name = type(reader).__name__
            return Sample(_read_records(path, reader), f"{name}()", name)
    return read_csv(path)


def _read_parquet(path: Path) -> pl.DataFrame:
    try:
        return pl.scan_parquet(path, glob=False, hive_partitioning=False).head(MOST_ROWS).collect()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise FormatError(f"{path.name} is no sound Parquet file: {reason}.") from None


def _read_records(path: Path, reader: RecordFormat) -> pl.DataFrame:
    parts: list[pl.DataFrame] = []
    for records in reader.read(path, {}):
        parts.append(_named(records.values))
        if sum(part.height for part in parts) >= MOST_ROWS:
            break
    return pl.concat(parts, how="diagonal").head(MOST_ROWS) if parts else pl.DataFrame()


def _find_header_row(path: Path) -> int:
    """The first row of a sheet that has as many names as any of the first ones."""
    widths = dict(_count_names(path))
    return max(widths, key=lambda row: (widths[row], -row), default=1)


def _count_names(path: Path) -> Iterator[tuple[int, int]]:
    for row in range(1, _HIGHEST_HEADER + 1):
        try:
            some = next(islice(Excel(header_row=row).read(path, {}), 1), None)
        except FormatError:
            continue
        yield row, len(_named(some.values).columns) if some else 0


def _named(values: pl.DataFrame) -> pl.DataFrame:
    """Without `column 4` and the like, by which a workbook tells of values that have no name."""
    told = {name for name in values.columns if _TOLD.fullmatch(name) and values[name].null_count() == values.height}
    return values.drop(told)
