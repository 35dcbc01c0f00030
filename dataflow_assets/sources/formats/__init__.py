"""How files are written: one format per file of this package, found by itself.

Add a format by adding a file with a `FORMAT`, a subclass of `RecordFormat`; nothing here changes, and its class is
imported from that file. Csv, Json and Parquet declare here, and are read by the packages of the same name in
`lake.readers`: each has a quick way of its own.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

from dataflow_assets.sources.formats.avro import Avro
from dataflow_assets.sources.formats.base import Format, RecordFormat, Records, Reject
from dataflow_assets.sources.formats.csv import Csv
from dataflow_assets.sources.formats.excel import Excel
from dataflow_assets.sources.formats.fixed_width import FixedWidth
from dataflow_assets.sources.formats.json import Json
from dataflow_assets.sources.formats.parquet import Parquet

__all__ = [
    "Avro",
    "Csv",
    "Excel",
    "FixedWidth",
    "Format",
    "Json",
    "Parquet",
    "RecordFormat",
    "Records",
    "Reject",
    "all_formats",
    "known_suffixes",
]


@cache
def all_formats() -> tuple[type[Format], ...]:
    """Every format, by the name of its file."""
    modules = (importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
    return tuple(module.FORMAT for module in modules if hasattr(module, "FORMAT"))


@cache
def known_suffixes() -> Mapping[str, str]:
    """Every ending that names a format, such as `.ndjson`, with the suffix of its files, `.jsonl`."""
    return {ending: suffix for form in all_formats() for ending, suffix in form.endings.items()}
