"""What the readers of all formats share: what they yield, how texts become that, and how they use DuckDB.

Here: batches, from texts to what is validated, from what is rejected to rejects, and DuckDB with its errors. Not here:
any format.
"""

import glob
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice, pairwise
from pathlib import Path

import duckdb
import numpy as np
import polars as pl

from dataflow_assets.errors import FormatError
from dataflow_assets.lake.validation.validate import POSITION
from dataflow_assets.sources.base import Source
from dataflow_assets.sources.formats import Reject

_CACHED_BYTES = 1 << 18  # that fit the processor's cache
BATCH_ROWS = 122_880  # a row group of DuckDB's readers
LONGEST_KEPT = 12 << 20  # bytes of a line or record that a reject keeps whole; a longer one refuses its file
BATCH_BYTES = 16 << 20  # of what is held at once in a form that takes several times as much
_PACKED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"x\x01", b"x^", b"x\x9c", b"x\xda")  # as gzip, zstd and zlib begin
MOST_NAMES = 100  # keys of JSON may be values, of which there is no end


@dataclass(frozen=True)
class Batch:
    """Some accepted rows (the schema's columns and `position` Int64) and some rejects of one file.

    `delivered` is how many rows of the file's bytes were counted, apart from the reading, since the batch before. Over
    all batches of a file it is the sum of accepted and rejected rows.

    `repaired` counts what was changed so that rows could be taken in, by its kind. Of the file: `byte_order_mark`,
    `column_names` (that differ from the declared ones by case or outer blanks), `header_again` (left out), `line_ends`
    (other than a line feed), `last_line_end` (missing), `separator_line` (such as `sep=;`) and what a file in another
    encoding may have (see `encodings`). Of accepted rows
    alone: those with a `line_in_quotes`, which is kept, and the values with `spaces` around them, and with a
    `zoneless_time`, an `ambiguous_time` (the first of two; the second, where an equal event came before it in the file)
    a `fine_time` (cut to microseconds) or a `leap_second` (60, read as the first of the next minute).
    """

    rows: pl.DataFrame
    rejects: list[Reject] = field(default_factory=list)
    delivered: int = 0
    repaired: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Content:
    """What a file holds.

    Accepted rows come in the order of the file. `position` counts them from 0, and with them the rejected rows that
    the format itself has nothing against, or all of them: it is the same whenever the file is read. The batches can be
    gone through once, and raise FormatError where the file as a whole turns out not to be what its source declares.

    `undeclared_columns` are the names that the file has and its source does not declare, as far as the batches were
    gone through and no more than MOST_NAMES; `missing_columns` the declared columns that it lacks, read as null, those
    that are optional aside. Of JSON they are known once the batches were gone through, and of an archive too: it lacks
    what all of its members lack. `uneven_columns` are those that rows of one member lack and rows of another have, each
    with the first member that lacks it; an archive of events lacks such a column.
    """

    batches: Iterator[Batch]
    undeclared_columns: set[str] = field(default_factory=set)
    missing_columns: set[str] = field(default_factory=set)
    uneven_columns: dict[str, str] = field(default_factory=dict)


_FAULT_OF_THE_FILE = "Invalid Input Error: "


@contextmanager
def open_parser(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB; what it says against the file is a FormatError, and a lack of memory or disk is not.

    An error in a later batch comes through Arrow, as an OSError; one that quotes bytes which are no text is no text
    either.
    """
    try:
        with duckdb.connect() as connection:
            yield connection
    except (duckdb.Error, OSError) as error:
        sentence = str(error).partition("\n")[0]
        if not sentence.startswith(_FAULT_OF_THE_FILE):
            raise
        reason = sentence.removeprefix(_FAULT_OF_THE_FILE).replace(str(path), path.name)
        raise FormatError(f"{path.name} cannot be parsed: {reason}") from None
    except UnicodeDecodeError:
        raise FormatError(f"{path.name} cannot be parsed: it is not text in UTF-8.") from None


def run_in_batches(
    connection: duckdb.DuckDBPyConnection, statement: str, values: Mapping[str, object], rows: int = BATCH_ROWS
) -> Iterator[pl.DataFrame]:
    """The result of a statement, as it comes, in frames of at most so many rows."""
    for batch in connection.execute(statement, values).to_arrow_reader(rows):
        frame = pl.from_arrow(batch)
        assert isinstance(frame, pl.DataFrame)
        yield frame


def split_lines(content: bytes) -> pl.DataFrame | None:
    """The lines of some bytes, as `raw` (String); None where Polars cannot read them: they are not all UTF-8."""
    if looks_packed(content):
        return None
    try:
        return pl.read_lines(content, name="raw")
    except pl.exceptions.ComputeError:
        return None


def cut_lines(content: bytes, most: int = BATCH_ROWS) -> Iterator[bytes]:
    """Bytes in pieces of so many lines, each of which ends in LF, but perhaps the last: tiny lines cost more memory."""
    numbers = np.frombuffer(content, np.uint8)
    blocks = (numbers[start : start + _CACHED_BYTES] for start in range(0, len(content), _CACHED_BYTES))
    if sum(np.count_nonzero(block == ord("\n")) for block in blocks) <= most:  # four times as fast as `bytes.count`
        yield content
        return
    ends = np.flatnonzero(numbers == ord("\n"))[most - 1 :: most].tolist()
    for start, end in pairwise([0, *(end + 1 for end in ends), len(content)]):
        if start < end:
            yield content[start:end]


def looks_packed(content: bytes) -> bool:
    """Whether Polars would unpack the bytes before it reads them, though they may be text: a line that begins `x^`."""
    return content.startswith(_PACKED)


def escaped_path(path: Path) -> str:
    """The path for DuckDB, which would take a name such as `users[1].csv` for a pattern of other names."""
    text = str(path)
    return glob.escape(text.replace("\\", "\\\\")) if glob.has_magic(text) else text


def no_rows(source: Source) -> pl.DataFrame:
    """A frame like those of a batch, without rows."""
    return source.schema.create_empty().with_columns(pl.lit(None, pl.Int64).alias(POSITION))


def texts_of(values: pl.DataFrame, source: Source, position: int) -> pl.DataFrame:
    """The values of the declared columns (String), null for one that the file lacks, as `validate` wants them.

    They are counted from a position on.
    """
    fields = set(values.columns)
    return values.select(
        pl.int_range(position, position + values.height, dtype=pl.Int64).alias(POSITION),
        *(
            pl.col(name) if name in fields else pl.lit(None, pl.String).alias(name)
            for name in source.schema.column_names()
        ),
    )


def rejects_of(origins: pl.DataFrame, rejected: pl.DataFrame, position: int) -> list[Reject]:
    """What `validate` rejected of the texts from a position on; `origins` has their `line` and `raw`, in order."""
    where = origins[rejected[POSITION] - position].select("line", "raw").iter_rows()
    reasons = zip(where, rejected.select("code", "message").iter_rows(), strict=True)
    return [Reject(line=line, code=code, message=message, raw=raw) for (line, raw), (code, message) in reasons]


def in_order(rejects: Iterable[Reject]) -> list[Reject]:
    """Rejects by the line on which they begin."""
    return sorted(rejects, key=lambda reject: reject.line or 0)


def most_names(names: Iterable[str], declared: Collection[str], known: Collection[str]) -> list[str]:
    """The names that are neither declared nor known, as long as there are no more than MOST_NAMES of these."""
    new = (name for name in names if name not in declared and name not in known)
    return list(islice(new, MOST_NAMES - len(known)))


def quote(identifier: str) -> str:
    """A name, quoted for SQL."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text, quoted for SQL."""
    return "'" + text.replace("'", "''") + "'"
