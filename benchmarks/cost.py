"""What a gigabyte and a thousand files cost: processor seconds, and the bytes that are kept.

    python -m benchmarks.cost --rows 1000000 --files 300

A file of streams goes into the lake and into its day of the warehouse, then many files of ten movies into the lake, by
the functions that runs call, without Dagster. Seconds are of the processor: of this process, and of the processes of
PostgreSQL together. A commit reads the table's log, so the first and the last hundred files are told apart.
"""

import argparse
import json
import os
import time
from pathlib import Path

from benchmarks import common, processor
from benchmarks.data import DAY, write_streams
from dataflow_assets.lake.delta.table import rows_table
from dataflow_assets.lake.ingest import ingest
from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.ledger.deliveries import record_delivery
from dataflow_assets.postgres.connection import connect
from dataflow_assets.settings import load_settings
from dataflow_assets.sources import Events, find_source
from dataflow_assets.warehouse.events import load_day

_SIZE_OF_DAYS = (
    "SELECT sum(pg_total_relation_size(oid)) FROM pg_class "
    "WHERE relnamespace = 'warehouse_days'::regnamespace AND relkind = 'r'"
)


def main() -> None:
    """Measure and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=300)
    arguments = parser.parse_args()
    with common.server() as (home, url):
        common.empty_warehouse(url)
        os.environ["DATAFLOW_HOME"], os.environ["DATABASE_URL"] = str(home), url
        result = {
            **vars(arguments),
            "large_file": _take_large_file(home, url, arguments.rows),
            "small_files": _take_small_files(home, url, arguments.files),
        }
    print(json.dumps(result, indent=2))  # noqa: T201


def _take_large_file(home: Path, url: str, rows: int) -> dict[str, float]:
    settings, source = load_settings(), find_source("streams")
    assert isinstance(source, Events)
    storage, file = open_storage(settings), home / "streams.csv"
    write_streams(file, rows)
    landed = Landing(storage).put(source.name, DAY, file)
    process = processor.server_process(url)
    with connect(url) as connection:
        start, server = time.process_time(), processor.server_seconds(process)
        intake = ingest(storage, source, landed.object, "UTC", first_day=settings.first_day)
        assert intake
        record_delivery(url, intake)
        in_lake, server_in_lake = time.process_time(), processor.server_seconds(process)
        lake = rows_table(storage, source).scan(intake.version)
        load_day(connection, source, lake, intake.version, DAY, "UTC")
        end, server_end = time.process_time(), processor.server_seconds(process)
    gigabytes = landed.size / 1e9
    [(kept,)] = common.sql(url, _SIZE_OF_DAYS)
    in_files = sum(path.stat().st_size for path in (home / "lake").rglob("*.parquet"))
    return {
        "gigabytes": round(gigabytes, 3),
        "lake_cpu_s_per_gb": round((in_lake - start) / gigabytes, 1),
        "lake_server_cpu_s_per_gb": round((server_in_lake - server) / gigabytes, 1),
        "warehouse_cpu_s_per_gb": round((end - in_lake) / gigabytes, 1),
        "warehouse_server_cpu_s_per_gb": round((server_end - server_in_lake) / gigabytes, 1),
        "lake_bytes_per_row": round(in_files / rows, 1),
        "warehouse_bytes_per_row": round(int(kept) / rows, 1),
    }


def _take_small_files(home: Path, url: str, files: int) -> dict[str, float]:
    settings, source = load_settings(), find_source("movies")
    storage, file, taken = open_storage(settings), home / "movies.csv", list[float]()
    for number in range(files):
        lines = (f"Movie {number}-{row},90,en,700" for row in range(10))
        file.write_text("\n".join(["title,duration_mins,original_language,size_mb", *lines]) + "\n")
        landed = Landing(storage).put("movies", DAY, file, f"{number:06}.csv")
        start = time.process_time()
        intake = ingest(storage, source, landed.object, "UTC", first_day=settings.first_day)
        assert intake
        record_delivery(url, intake)
        taken.append(time.process_time() - start)
    return {
        "cpu_s_per_1000": round(1000 * sum(taken) / files, 1),
        "cpu_s_per_1000_of_the_first_hundred": round(10 * sum(taken[:100]), 1),
        "cpu_s_per_1000_of_the_last_hundred": round(10 * sum(taken[-100:]), 1),
    }


if __name__ == "__main__":
    main()
