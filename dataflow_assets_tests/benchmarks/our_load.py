"""Our contestant of `load` and `day`: a landed file to a committed, keyed day, in a process of its own.

Timed: the landed object to the lake, and the lake to the warehouse. Not timed: imports, migrations.
"""

import argparse
import json
import resource
import time

from dataflow_assets.lake.intake import take_in
from dataflow_assets.lake.tables import rows_table
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.settings import load_settings
from dataflow_assets.sources import Events, find_source
from dataflow_assets.warehouse.database import connect
from dataflow_assets.warehouse.event_days import load_day
from dataflow_assets.warehouse.opening import open_warehouse


def main() -> None:
    """Load the object of `--key` and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--key", required=True)
    arguments = parser.parse_args()
    settings = load_settings()
    url, storage = open_warehouse(settings), open_storage(settings)
    source = find_source("streams")
    assert isinstance(source, Events)
    start = time.perf_counter()
    intake = take_in(storage, source, arguments.key, settings.timezone)
    assert intake is not None
    in_lake = time.perf_counter()
    lake = rows_table(storage, source).scan(intake.version)
    with connect(url) as connection:
        loads = [
            load_day(connection, source, lake, intake.version, day, settings.timezone)
            for day in sorted(intake.event_days)
        ]
    end = time.perf_counter()
    figures = {
        "seconds": end - start,
        "lake_seconds": in_lake - start,
        "warehouse_seconds": end - in_lake,
        "rows": sum(load.rows for load in loads),
        "superseded": sum(load.superseded for load in loads),
        "peak_rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    print(json.dumps(figures))  # noqa: T201


if __name__ == "__main__":
    main()
