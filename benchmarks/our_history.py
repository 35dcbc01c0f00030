"""Our contestant of `history`: dumps of one snapshot source, one after the other, in a process of its own.

Timed: each dump from landing to the tables. Not timed: imports, migrations.
"""

import argparse
import json
import time
from functools import partial

from benchmarks.memory import peak_rss_mib
from dataflow_assets.lake.delta.dumps import read_dumps
from dataflow_assets.lake.delta.table import rows_table
from dataflow_assets.lake.ingest import ingest
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.postgres.connection import connect
from dataflow_assets.settings import load_settings
from dataflow_assets.sources import Snapshot, find_source
from dataflow_assets.warehouse.bootstrap import open_warehouse
from dataflow_assets.warehouse.snapshots import load_snapshot


def main() -> None:
    """Load the objects of `--keys`, separated by commas, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", required=True)
    settings = load_settings()
    url, storage = open_warehouse(settings), open_storage(settings)
    source = find_source("users")
    assert isinstance(source, Snapshot)
    dumps = []
    for key in parser.parse_args().keys.split(","):
        start = time.perf_counter()
        intake = ingest(storage, source, key, settings.timezone, first_day=settings.first_day)
        assert intake is not None
        in_lake, peak_in_lake = time.perf_counter(), peak_rss_mib()
        with connect(url) as connection:
            table, version = rows_table(storage, source), intake.version
            changed_days = partial(table.changed_days, version=version)
            dumped = read_dumps(table, version)
            load = load_snapshot(connection, source, table.scan(version), version, dumped, changed_days)
        dumps.append(
            {
                "seconds": time.perf_counter() - start,
                "lake_seconds": in_lake - start,
                "merge_seconds": time.perf_counter() - in_lake,
                "keys": load.keys,
                "changed": load.changed,
                "peak_rss_mib_in_lake": peak_in_lake,
                "peak_rss_mib": peak_rss_mib(),
            }
        )
    print(json.dumps({"dumps": dumps, "peak_rss_mib": peak_rss_mib()}))  # noqa: T201


if __name__ == "__main__":
    main()
