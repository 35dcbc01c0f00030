"""How rows are written: a file for each format, which this package finds by itself.

Add a format by adding a file with a `FORMAT`; nothing here changes. `base` says what a format is, `negotiation` which
one a request means.
"""

import importlib
import pkgutil
from functools import cache

from dataflow_assets.serving.reading.formats.base import Format


@cache
def all_formats() -> dict[str, Format]:
    """Every format by name, JSON first: it is the one that comes where a request does not care."""
    modules = (importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
    formats: list[Format] = [module.FORMAT for module in modules if hasattr(module, "FORMAT")]
    return {one.name: one for one in sorted(formats, key=lambda one: (one.name != "json", one.name))}
