"""What merging the small files of a large delivery gains, whose days come in any order, and what it costs.

    python -m benchmarks.lake_files --rows 4000000

Each batch of such a file gives a file of the lake for every day that it touches. Read before and after: one day, as a
load of the warehouse does, and two columns of all rows. In a local folder; on S3 every file is a request or two more.
"""

import argparse
import json
import os
import resource
import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks import common
from benchmarks.backfill import write_sessions
from dataflow_assets.lake.delta.maintenance import merge_small_files
from dataflow_assets.lake.delta.table import LakeTable, list_files, rows_table
from dataflow_assets.lake.ingest import ingest
from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.settings import load_settings
from dataflow_assets.sources import Events, find_source
from dataflow_assets.warehouse.events import day_rows

_DAYS = [date(2022, 1, 1) + timedelta(days=after) for after in range(365)]


def main() -> None:
    """Take a file in, read, merge, read again, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=4_000_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory(prefix="dataflow-bench-") as folder:
        os.environ["DATAFLOW_HOME"] = folder
        settings, source = load_settings(), find_source("streams")
        storage, path = open_storage(settings), Path(folder) / "year.csv"
        write_sessions(path, _DAYS, rows // len(_DAYS))
        key = Landing(storage).put("streams", _DAYS[-1], path).object
        assert ingest(storage, source, key, "UTC", first_day=settings.first_day)
        table = rows_table(storage, source)
        before, memory = _reading(table), _peak()
        seconds = common.timed(lambda: merge_small_files(table))
        result = {"rows": rows, "before": before, "merging_s": round(seconds, 1), "after": _reading(table)}
        again = common.timed(lambda: merge_small_files(table))
        print(json.dumps({**result, "again_s": round(again, 2), "peak_mib": [memory, _peak()]}, indent=2))  # noqa: T201


def _reading(table: LakeTable) -> dict[str, Any]:
    source = find_source("streams")
    assert isinstance(source, Events)
    files = list_files(table.open())

    def one_day() -> None:
        day_rows(table.scan(), source, _DAYS[100], "UTC").collect(engine="streaming")

    def all_rows() -> None:
        table.scan().select(pl.sum("size_mb"), pl.max("position")).collect(engine="streaming")

    return {
        "files": files.height,
        "mb": round(int(files["size_bytes"].sum()) / 1e6, 1),
        "open_s": common.median([common.timed(table.open) for _ in range(5)]),
        "one_day_s": common.median([common.timed(one_day) for _ in range(5)]),
        "all_rows_s": common.median([common.timed(all_rows) for _ in range(5)]),
    }


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
