"""Files to batches of typed rows and rejects.

Here: which reader a source's files go to. Not here: the formats (see `csv_files`, `json_files`), where files
come from and where rows go.
"""

from collections.abc import Iterator
from pathlib import Path

from dataflow_assets.lake.csv_files import check_header, count_records, read_csv
from dataflow_assets.lake.json_files import count_objects, read_json
from dataflow_assets.lake.parsing import Batch, Reject
from dataflow_assets.sources.declaration import Csv, Source

__all__ = ["Batch", "Reject", "check_format", "count_delivered", "read_file"]


def read_file(path: Path, source: Source) -> Iterator[Batch]:
    """Read a file in batches; accepted rows come in the order of the file.

    `position` numbers the rows that the format's own rules let through, from 0.

    Raises:
        FormatError: the file as a whole is not what its source declares.
    """
    if isinstance(source.reader, Csv):
        return read_csv(path, source, source.reader)
    return read_json(path, source, source.reader)


def count_delivered(path: Path, source: Source) -> int:
    """Count the rows in the bytes of a file without parsing them, for the sum that shows that nothing is lost.

    Raises:
        FormatError: a JSON file is not one whole array, or a CSV file has a record without end.
    """
    if path.stat().st_size == 0:
        return 0
    if isinstance(source.reader, Csv):
        return max(count_records(path, source.reader) - 1, 0)
    return count_objects(path)


def check_format(path: Path, source: Source) -> None:
    """Look whether a file can be of its source at all, before it is landed.

    Raises:
        FormatError: it cannot.
    """
    if path.stat().st_size and isinstance(source.reader, Csv):
        check_header(path, source)
    elif path.stat().st_size:
        count_objects(path)
