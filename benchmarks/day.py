"""A whole day of large files to a committed, keyed partition, against psql's \\copy of the same bytes without a key.

    python -m benchmarks.day --gigabytes 8

The day comes as objects of one gigabyte. Ours and the rival take turns.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from benchmarks import common
from benchmarks.data import write_streams
from benchmarks.load import load_ours
from benchmarks.load_rivals import copy
from dataflow_assets.postgres.schema import SCHEMAS

_ROW_BYTES = 139
_DISK_PER_BYTE = 4  # the files, landing, the lake, a table with its key, and the write-ahead log


def main() -> None:
    """Run both and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--gigabytes", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    with common.server() as (home, url):
        _require_disk(home, arguments.gigabytes)
        rows = 10**9 // _ROW_BYTES
        paths = [home / f"streams-{number}.csv" for number in range(arguments.gigabytes)]
        for number, path in enumerate(paths):
            write_streams(path, rows, first=number * rows)
        details: list[dict[str, Any]] = []
        rival = []
        for _ in range(arguments.rounds):
            details.append(load_ours(home, url, paths))
            common.sql(url, f"DROP SCHEMA {', '.join(SCHEMAS)} CASCADE")
            common.fair_start(url)
            rival.append(copy(url, paths))
            common.sql(url, "DROP SCHEMA rival CASCADE")
        result = {
            "gigabytes": sum(path.stat().st_size for path in paths) / 1e9,
            "rows": details[0]["rows"],
            "ours_s": common.median([detail["seconds"] for detail in details]),
            "copy_heap_s": common.median(rival),
            "peak_rss_mib": max(detail["peak_rss_mib"] for detail in details),
            "details": details,
            **common.conditions(url),
        }
    print(json.dumps(result, indent=2))  # noqa: T201


def _require_disk(folder: Path, gigabytes: int) -> None:
    """Say how much disk the run wants, and stop before it starts where there is less."""
    wanted, free = _DISK_PER_BYTE * gigabytes, shutil.disk_usage(folder).free // 10**9
    print(f"This wants about {wanted} GB of disk in {folder.parent}; {free} GB are free.", file=sys.stderr)  # noqa: T201
    if free < wanted:
        sys.exit(1)


if __name__ == "__main__":
    main()
