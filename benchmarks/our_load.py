"""Our contestant of `load` and `day`: landed files to a committed, keyed day, in a process of its own.

Timed: the landed objects to the lake, and the lake to the warehouse; then the same way for files of the same bytes in
the objects' places, and for the same objects untouched. Not timed: imports, migrations, the copying of those files.
"""

import argparse
import json
import shutil
import time
from datetime import date

from benchmarks import processor
from benchmarks.memory import peak_rss_mib
from dataflow_assets.lake.delta.table import rows_table
from dataflow_assets.lake.ingest import ingest
from dataflow_assets.lake.readers.registry import find_reader
from dataflow_assets.landing.storage import Storage, open_storage
from dataflow_assets.ledger.event_days import read_day_versions
from dataflow_assets.postgres.connection import connect
from dataflow_assets.settings import Settings, load_settings
from dataflow_assets.sources import Events, find_source
from dataflow_assets.warehouse.bootstrap import open_warehouse
from dataflow_assets.warehouse.events import DayLoad, load_day


def main() -> None:
    """Load the objects of `--keys`, separated by commas, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", required=True)
    keys = parser.parse_args().keys.split(",")
    settings = load_settings()
    url, storage = open_warehouse(settings), open_storage(settings)
    source = find_source("streams")
    assert isinstance(source, Events)
    find_reader(source)  # imports it
    server = processor.server_process(url)
    before, start = processor.seconds(server), time.perf_counter()
    version, days = _take_in(storage, source, keys, settings)
    in_lake = time.perf_counter()
    loads = _load(url, storage, source, version, days, settings.timezone)
    end = time.perf_counter()
    used = processor.seconds(server) - before
    for key in keys:
        path = settings.home / key
        again = path.with_suffix(".again")
        shutil.copyfile(path, again)
        again.replace(path)
    landed_again = time.perf_counter()
    _load(url, storage, source, *_take_in(storage, source, keys, settings), settings.timezone)
    repeated = time.perf_counter()
    _load(url, storage, source, *_take_in(storage, source, keys, settings), settings.timezone)
    unread = time.perf_counter()
    figures = {
        "seconds": end - start,
        "processor_seconds": used,
        "lake_seconds": in_lake - start,
        "warehouse_seconds": end - in_lake,
        "identical_object_seconds": repeated - landed_again,
        "same_object_seconds": unread - repeated,
        "rows": sum(load.rows for load in loads),
        "superseded": sum(load.superseded for load in loads),
        "peak_rss_mib": peak_rss_mib(),
    }
    print(json.dumps(figures))  # noqa: T201


def _take_in(storage: Storage, source: Events, keys: list[str], settings: Settings) -> tuple[int, set[date]]:
    """The lake's version after the objects, and the days that they touch."""
    version, days = 0, set[date]()
    for key in keys:
        intake = ingest(storage, source, key, settings.timezone, first_day=settings.first_day)
        assert intake is not None
        version, days = max(version, intake.version), days | intake.event_days
    return version, days


def _load(url: str, storage: Storage, source: Events, version: int, days: set[date], timezone: str) -> list[DayLoad]:
    """Load the days that the warehouse has from an older version, which is what its sensor asks for."""
    lake = rows_table(storage, source).scan(version)
    with connect(url) as connection:
        made = read_day_versions(connection, source)
        older = sorted(day for day in days if made.get(day, -1) < version)
        return [load_day(connection, source, lake, version, day, timezone) for day in older]


if __name__ == "__main__":
    main()
