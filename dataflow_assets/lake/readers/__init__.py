"""Files to batches of typed rows and rejects.

Here: reading a landed file whatever it is packed in, and how what is in one archive becomes one content. Not here:
the formats (a module or package of this one each, or a file of `sources.formats`), unpacking (see `archives`), where
files come from and where rows go.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import polars as pl

from dataflow_assets.core.memory import return_large_values
from dataflow_assets.core.time_windows import Window
from dataflow_assets.errors import FormatError
from dataflow_assets.lake.readers import registry
from dataflow_assets.lake.readers.archives import PlainFile, is_plain, plain_files
from dataflow_assets.lake.readers.base import Batch, Content, no_rows
from dataflow_assets.lake.readers.members import Members
from dataflow_assets.lake.validation.validate import POSITION
from dataflow_assets.sources.base import Source
from dataflow_assets.sources.formats import Reject

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
    return_large_values()
    if is_plain(path, source.reader):
        return _read_plain(path, source, bounds)
    content = Content(iter(()))
    return replace(content, batches=_unpacked_batches(path, source, content, bounds))


def check_format(path: Path, source: Source) -> None:
    """Look whether a file can be of its source at all, before it is landed.

    Raises:
        FormatError: it cannot.
    """
    for file in plain_files(path, source.reader, source.companions):
        with _named(file):
            if file.path.stat().st_size:
                registry.find_reader(source).check(file.path, source)


def _read_plain(path: Path, source: Source, bounds: Window | None) -> Content:
    if path.stat().st_size == 0:
        return Content(iter(()))
    return registry.find_reader(source).read(path, source, bounds)


def _unpacked_batches(path: Path, source: Source, whole: Content, bounds: Window | None) -> Iterator[Batch]:
    """The batches of all files in a landed one, as if they were one; the names in `whole` are added to.

    A file's rows are counted on from those that were delivered before it.
    """
    delivered, members = 0, Members(source)
    for file in plain_files(path, source.reader, source.companions):
        with _named(file):
            content, first, values = _read_plain(file.path, source, bounds), delivered, 0
            if file.repaired:
                yield Batch(no_rows(source), repaired=file.repaired)
            for batch in content.batches:
                delivered += batch.delivered
                values += members.count_values(batch)
                yield replace(
                    batch,
                    rows=batch.rows.with_columns(pl.col(POSITION) + first),
                    rejects=[_of_member(reject, file.member) for reject in batch.rejects],
                )
        members.add(file.member or "", content, values)
    members.tell(whole)


def _of_member(reject: Reject, member: str | None) -> Reject:
    return replace(reject, message=f"{member}: {reject.message}") if member else reject


@contextmanager
def _named(file: PlainFile) -> Iterator[None]:
    """What is wrong with one file of several is said with its name."""
    try:
        yield
    except FormatError as error:
        raise FormatError(f"{file.member}: {error}" if file.member else str(error)) from None
