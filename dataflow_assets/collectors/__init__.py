"""What brings files into landing from elsewhere: one collector per file of this package, found by itself.

Add one by adding a file with a `COLLECTOR`, a subclass of `base.Collector`, and what a declaration says of its kind of
place in `sources.origins`; nothing here changes.

Here: finding the collector of a source. Not here: what it does (see `base`), and doing it (see `collect`).
"""

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable, Mapping
from datetime import date
from functools import cache
from typing import Any

from dataflow_assets.collectors.base import Collector
from dataflow_assets.sources.base import Source
from dataflow_assets.sources.origins.base import Origin

__all__ = ["all_collectors", "collector_for", "open_collector"]


@cache
def all_collectors() -> Mapping[type[Origin], type[Collector[Any]]]:
    """Every collector, by the kind of origin that it is for."""
    modules = (importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
    collectors = [module.COLLECTOR for module in modules if hasattr(module, "COLLECTOR")]
    return {collector.origin_type: collector for collector in collectors}


def collector_for(origin: type[Origin]) -> type[Collector[Any]]:
    """The collector of a kind of origin. One in a file of the same name is found without loading the others."""
    name = f"{__name__}.{origin.__module__.rpartition('.')[2]}"
    if importlib.util.find_spec(name):
        found: type[Collector[Any]] | None = getattr(importlib.import_module(name), "COLLECTOR", None)
        if found and found.origin_type is origin:
            return found
    return all_collectors()[origin]


def open_collector(
    source: Source, timezone: str, is_enough: Callable[[], bool] | None = None, first_day: date = date.min
) -> Collector[Any]:
    """The collector of a source that says from where it arrives; it connects when it is used.

    Args:
        source: it `arrives` from somewhere.
        timezone: the business time zone.
        is_enough: with it, what comes is waited for until this is true (see `base.Collector`).
        first_day: the first that has a partition.
    """
    assert source.arrives, f"{source.name} does not say from where it arrives"
    collector = collector_for(type(source.arrives))
    return collector(source, source.arrives, timezone, is_enough, first_day)
