"""Files of JSON: one array of objects, or a line for each object.

Here: which of the two a source declares, for the registry. Not here: reading either (see `array` and `lines`).
"""

from pathlib import Path

from dataflow_assets.core.time_windows import Window
from dataflow_assets.lake.readers.base import Content
from dataflow_assets.lake.readers.json.array import count_objects, read_array
from dataflow_assets.lake.readers.json.lines import check_lines, read_lines
from dataflow_assets.lake.readers.json.names import declaration_of
from dataflow_assets.sources import Source
from dataflow_assets.sources.formats import Json

__all__ = ["FORMAT", "check", "read"]

FORMAT = Json


def check(path: Path, source: Source) -> None:
    """Look whether a file is of the declared kind: of an array all brackets, of lines the first ones.

    Raises:
        FormatError: it is not.
    """
    if declaration_of(source).lines:
        check_lines(path)
    else:
        count_objects(path, declaration_of(source).records_keys)


def read(path: Path, source: Source, bounds: Window | None) -> Content:
    """Read a file that is not empty.

    Raises:
        FormatError: it is not of the declared kind.
    """
    return read_lines(path, source, bounds) if declaration_of(source).lines else read_array(path, source, bounds)
