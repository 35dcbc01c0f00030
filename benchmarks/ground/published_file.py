"""The published file of answers, `analytics.duckdb`, read by each version of DuckDB.

    python -m benchmarks.ground.published_file --data ../shared/reference

Each version gets an environment of its own by uv; all must give the same tables and rows.
"""

import argparse
import subprocess
import tempfile
from pathlib import Path

from benchmarks.ground.servers import require

_VERSIONS = ("1.4.0", "1.4.4", "1.5.6", "2.0.0")
_READ = """
import hashlib, sys
import duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
connection.execute("SET TimeZone = 'UTC'")
tables = "SELECT table_schema || '.' || table_name FROM information_schema.tables ORDER BY 1"
found = connection.execute(tables).fetchall()
rows = [connection.execute(f"SELECT * FROM {name} ORDER BY ALL").fetchall() for (name,) in found]
digest = hashlib.sha256(repr((found, rows)).encode()).hexdigest()[:12]
print(f"{len(found)} tables, {sum(map(len, rows)):,} rows, digest {digest}")
"""


def main() -> None:
    """Make the file and print a row for each version."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder of the reference data")
    data = parser.parse_args().data.resolve()
    with tempfile.TemporaryDirectory() as home:
        require({"DATAFLOW_HOME": home}, "demo", "--data", data)
        for version in _VERSIONS:
            packages = ("--with", f"duckdb=={version}", "--with", "pytz")
            command = ("uv", "run", "--quiet", "--no-project", *packages, "python", "-c", _READ)
            done = subprocess.run([*command, f"{home}/analytics.duckdb"], capture_output=True, text=True, check=False)
            print(f"| DuckDB {version} | {(done.stdout or done.stderr).strip().splitlines()[-1]} |")  # noqa: T201


if __name__ == "__main__":
    main()
