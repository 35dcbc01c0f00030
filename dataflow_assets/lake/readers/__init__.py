"""Files to batches of typed rows and rejects.

Here: which reader a source's files go to, and how what is in one archive becomes one content. Not here: the formats
(see `csv_files`, `json_files`, `json_lines`, `parquet_files`), unpacking (see `unpacking`), where files come from and
where rows go.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import polars as pl

from dataflow_assets.core.time_windows import Window
from dataflow_assets.errors import FormatError
from dataflow_assets.lake.readers.archives import PlainFile, is_plain, plain_files
from dataflow_assets.lake.readers.base import MOST_NAMES, Batch, Content, Reject
from dataflow_assets.lake.readers.csv import check_header, read_csv
from dataflow_assets.lake.readers.json import count_objects, read_json
from dataflow_assets.lake.readers.json.lines import check_lines, read_json_lines
from dataflow_assets.lake.readers.parquet import check_columns, read_parquet
from dataflow_assets.lake.validation.validate import POSITION
from dataflow_assets.sources.base import Csv, Json, Parquet, Source

__all__ = ["Batch", "Content", "Reject", "check_format", "read_file"]


def read_file(path: Path, source: Source, bounds: Window | None = None) -> Content:
    """Read a file, in batches, when they are asked for.

    Args:
        path: the file.
        source: whose rows it holds.
        bounds: when the events of its delivery may begin; None where it holds none, or is not a delivery.

    Raises:
        FormatError: the file as a whole is not what its source declares.
    """
    if is_plain(path, source.reader):
        return _read(path, source, bounds)
    content = Content(iter(()))
    return replace(content, batches=_unpacked_batches(path, source, content, bounds))


def check_format(path: Path, source: Source) -> None:
    """Look whether a file can be of its source at all, before it is landed.

    Raises:
        FormatError: it cannot.
    """
    for file in plain_files(path, source.reader):
        with _named(file):
            _check(file.path, source)


def _read(path: Path, source: Source, bounds: Window | None) -> Content:
    """Read a plain file."""
    match source.reader:
        case Parquet():
            return read_parquet(path, source, bounds)
        case _ if path.stat().st_size == 0:
            return Content(iter(()))
        case Csv():
            return read_csv(path, source, source.reader, bounds)
        case Json(lines=True):
            return read_json_lines(path, source, source.reader, bounds)
        case Json():
            return read_json(path, source, source.reader, bounds)


def _check(path: Path, source: Source) -> None:
    """Look at a plain file without reading its rows."""
    match source.reader:
        case Parquet():
            check_columns(path, source)
        case _ if path.stat().st_size == 0:
            pass
        case Csv():
            check_header(path, source, source.reader)
        case Json(lines=True):
            check_lines(path)
        case Json():
            count_objects(path)


def _unpacked_batches(path: Path, source: Source, whole: Content, bounds: Window | None) -> Iterator[Batch]:
    """The batches of all files in a landed one, as if they were one; the names in `whole` are added to.

    A file's rows are counted on from those that were delivered before it.
    """
    delivered = 0
    for file in plain_files(path, source.reader):
        with _named(file):
            content, first = _read(file.path, source, bounds), delivered
            for batch in content.batches:
                delivered += batch.delivered
                yield replace(
                    batch,
                    rows=batch.rows.with_columns(pl.col(POSITION) + first),
                    rejects=[_of_member(reject, file.member) for reject in batch.rejects],
                )
        whole.missing_columns.update(content.missing_columns)
        whole.undeclared_columns.update(
            sorted(content.undeclared_columns - whole.undeclared_columns)[: MOST_NAMES - len(whole.undeclared_columns)]
        )


def _of_member(reject: Reject, member: str | None) -> Reject:
    return replace(reject, message=f"{member}: {reject.message}") if member else reject


@contextmanager
def _named(file: PlainFile) -> Iterator[None]:
    """What is wrong with one file of several is said with its name."""
    try:
        yield
    except FormatError as error:
        raise FormatError(f"{file.member}: {error}" if file.member else str(error)) from None
