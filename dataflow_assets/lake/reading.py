"""Files to batches of typed rows and rejects.

Here: which reader a source's files go to. Not here: the formats (see `csv_files`, `json_files`), where files
come from and where rows go.
"""

from pathlib import Path

from dataflow_assets.lake.csv_files import check_header, read_csv
from dataflow_assets.lake.json_files import count_objects, read_json
from dataflow_assets.lake.parsing import Batch, Content, Reject
from dataflow_assets.sources.declaration import Csv, Source
from dataflow_assets.window import Window

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
    if path.stat().st_size == 0:
        return Content(iter(()))
    if isinstance(source.reader, Csv):
        return read_csv(path, source, source.reader, bounds)
    return read_json(path, source, source.reader, bounds)


def check_format(path: Path, source: Source) -> None:
    """Look whether a file can be of its source at all, before it is landed.

    Raises:
        FormatError: it cannot.
    """
    if path.stat().st_size and isinstance(source.reader, Csv):
        check_header(path, source, source.reader)
    elif path.stat().st_size:
        count_objects(path)
