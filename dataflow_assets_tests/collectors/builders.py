"""A source that arrives from somewhere, and what has landed of it.

Here: collecting, and looking at landing. Not here: servers and expectations.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import obstore

from dataflow_assets.collectors.collect import Collecting
from dataflow_assets.collectors.sink import Report
from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.landing.storage import Storage
from dataflow_assets.ledger.collected import CollectedRecord, open_record
from dataflow_assets.sources import find_source
from dataflow_assets.sources.base import Source
from dataflow_assets.sources.origins.base import Origin

TODAY = date(2021, 12, 10)
LONG_AGO = 1_600_000_000.0  # seconds since 1970


def arriving(origin: Origin, name: str = "streams") -> Source:
    """A source that is collected from somewhere."""
    return replace(find_source(name), arrives=origin)


def write(folder: Path, name: str, content: str | bytes = b"x", *, modified: float = LONG_AGO) -> Path:
    """A file that was written whole at some time."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    os.utime(path, (modified, modified))
    return path


@dataclass
class Platform:
    """Where what is collected lands, and the record of it."""

    storage: Storage
    url: str
    today: date = TODAY
    said: list[str] = field(default_factory=list)

    @property
    def collecting(self) -> Collecting:
        return Collecting(landing=Landing(self.storage), timezone="UTC", today=self.today, progress=self.said.append)

    def record(self, source: Source) -> CollectedRecord:
        return open_record(self.url, source.name)

    def collect(self, source: Source, *days: date) -> Report:
        return self.collecting.collect(source, self.record(source), days or None)

    def new(self, source: Source) -> list[str]:
        return [remote.path for _, remote in self.collecting.find_new(source, self.record(source))]

    def landed(self, source: Source) -> dict[str, bytes]:
        """The bytes of every object in landing, by day and name."""
        found = Landing(self.storage).deliveries(source.name)
        return {
            one.object.split("/", 2)[2]: bytes(obstore.get(self.storage.store, one.object).bytes()) for one in found
        }


Put = Callable[..., Path]
