"""`dataflow query` of a large result, beside `psql --csv`, and DuckDB over the lake: processor seconds and memory.

    python -m benchmarks.query --rows 1000000

Each contestant is a process of its own that writes to a file. Its start is part of what is measured, as a user waits
for that too; the processor seconds of the server are not.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.common import server
from dataflow_assets.postgres.embedded.lease import find_programs
from dataflow_assets.sample_data import write_sample

_DATAFLOW = str(Path(sys.executable).with_name("dataflow"))
_FIRST = "_first_rows"
_LINES = 50
_ASKED = "SELECT * FROM warehouse.streams"
_DUCKDB = """
import sys, duckdb
from deltalake import DeltaTable
files = [str(path) for path in DeltaTable(sys.argv[1]).file_uris()]
duckdb.read_parquet(files).write_csv(sys.argv[2])
"""


def main() -> None:
    """Load the rows, ask for them in every way, and print the medians of all rounds as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with server() as (home, url), tempfile.TemporaryDirectory(prefix="query-") as folder:
        os.environ |= {"DATAFLOW_HOME": str(home), "DATABASE_URL": url}
        _load(Path(folder), arguments.rows)
        contestants = _contestants(url, home, Path(folder) / "rows.csv")
        found: dict[str, list[dict[str, float]]] = {name: [] for name in contestants}
        for _ in range(arguments.rounds):
            for name, command in contestants.items():
                measure = _measure_first if name.endswith(_FIRST) else _measure
                found[name].append(measure(command, Path(folder) / "out"))
        medians = {
            name: {figure: round(statistics.median(one[figure] for one in rounds), 2) for figure in rounds[0]}
            for name, rounds in found.items()
        }
        print(json.dumps({"rows": arguments.rows, **medians}, indent=2))  # noqa: T201


def _load(folder: Path, rows: int) -> None:
    made = write_sample(folder, streams=rows)
    command = ["load", "--model", "stream", "--collector", "csv", "--config", str(made.files["streams"])]
    for arguments in (["init-db"], [*command, "--delivered", "2021-12-31"]):
        subprocess.run([_DATAFLOW, *arguments], check=True, capture_output=True)


def _contestants(url: str, home: Path, file: Path) -> dict[str, Sequence[str | Path]]:
    ours = [_DATAFLOW, "query", "-c", _ASKED, "--format"]
    return {
        "psql_csv": [find_programs() / "psql", url, "-X", "--csv", "-c", _ASKED],
        "psql_csv_copy": [find_programs() / "psql", url, "-X", "-c", f"COPY ({_ASKED}) TO STDOUT (FORMAT csv, HEADER)"],
        "dataflow_csv": [*ours, "csv"],
        "dataflow_json": [*ours, "json"],
        "dataflow_table": [*ours, "table"],
        f"dataflow_table{_FIRST}": [*ours, "table"],
        f"psql_table{_FIRST}": [find_programs() / "psql", url, "-X", "-c", _ASKED],
        "dataflow_start": [*ours[:-2], "SELECT 1", "--format", "csv"],
        "duckdb_lake_csv": [sys.executable, "-c", _DUCKDB, home / "lake/streams", file],
    }


def _measure(command: Sequence[str | Path], out: Path) -> dict[str, float]:
    """The seconds, processor seconds and peak memory (MiB) of a process that writes to a file."""
    start = time.monotonic()
    with out.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream)
    status, used, peak = _wait(process)
    assert status == 0, command
    return {"seconds": time.monotonic() - start, "cpu_s": used.ru_utime + used.ru_stime, "peak_mib": peak}


def _measure_first(command: Sequence[str | Path], _: Path) -> dict[str, float]:
    """The same of a process whose reader goes away after some lines, and the seconds until it had them."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout
    for _line in range(_LINES):
        process.stdout.readline()
    seconds = time.monotonic() - start
    process.stdout.close()
    _status, used, peak = _wait(process)
    return {"seconds": seconds, "cpu_s": used.ru_utime + used.ru_stime, "peak_mib": peak}


def _wait(process: "subprocess.Popen[bytes]") -> tuple[int, resource.struct_rusage, float]:
    """The status of a process at its end, what it used, and its peak memory (MiB)."""
    peak = 0.0
    # Of what wait4 says the memory is no less than this process's own, which was copied before it became another.
    while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
        peak = max(peak, _peak_mib(process.pid))
        time.sleep(0.01)
    return ended[1], ended[2], peak


def _peak_mib(process: int) -> float:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


if __name__ == "__main__":
    main()
