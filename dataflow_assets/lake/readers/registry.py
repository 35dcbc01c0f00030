"""Which module reads the files of a source.

Here: finding the modules of this package that read a format. Not here: any format.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Protocol, cast

from dataflow_assets.core.time_windows import Window
from dataflow_assets.lake import readers
from dataflow_assets.lake.readers import records
from dataflow_assets.lake.readers.base import Content
from dataflow_assets.sources import Source
from dataflow_assets.sources.formats import Format


class FormatReader(Protocol):
    """A module that reads the plain files of one format; it names the format as `FORMAT`.

    The files are unpacked, in UTF-8, and not empty.
    """

    def check(self, path: Path, source: Source) -> None:
        """Look whether a file can be of its source, without reading its rows.

        Raises:
            FormatError: it cannot.
        """

    def read(self, path: Path, source: Source, bounds: Window | None) -> Content:
        """Read a file, in batches, when they are asked for.

        Raises:
            FormatError: the file as a whole is not what its source declares.
        """


def find_reader(source: Source) -> FormatReader:
    """What reads the files of a source: the module for its format, or, where there is none, the format itself."""
    return _readers().get(type(source.reader), cast("FormatReader", records))


@cache
def _readers() -> Mapping[type[Format], FormatReader]:
    names = (found.name for found in pkgutil.iter_modules(readers.__path__))
    modules = [importlib.import_module(f"{readers.__name__}.{name}") for name in names]
    return {module.FORMAT: cast("FormatReader", module) for module in modules if hasattr(module, "FORMAT")}
