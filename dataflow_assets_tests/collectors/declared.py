"""Declaring, for one test, that a source of the platform arrives from somewhere.

Here: doing it and undoing it. Not here: from where.
"""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dataflow_assets.sources import all_sources
from dataflow_assets.sources.base import Source


@contextmanager
def declared(source: Source) -> Iterator[None]:
    """Let a source take the place of the one of its name until the block ends."""
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(importlib.import_module(f"dataflow_assets.sources.{source.name}"), "SOURCE", source)
            all_sources.cache_clear()
            yield
    finally:
        all_sources.cache_clear()
