"""A home and a database that the build of commit 13505c4 made, given to the present program.

    python -m benchmarks.ground.upgrade --data ../shared/reference [--only NAME]

That build is taken from this repository's history and installed by uv. It loads the reference data into an embedded
server and into a database elsewhere; the present program refuses both, and `rebuild` makes the tables anew from the
lake alone. They must equal those of before, row by row.
"""

import argparse
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.ground.main_job import said
from benchmarks.ground.servers import DATAFLOW, find_programs, make_database, require, run, server

_BUILD = "13505c4"
_TABLES = (
    "SELECT table_schema || '.' || table_name FROM information_schema.tables "
    "WHERE table_schema IN ('warehouse', 'analytics') ORDER BY 1"
)
_COUNTS = "source, day, object, state, delivered, accepted, rejected"


def main() -> None:
    """Print a row for each of the two."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder of the reference data")
    parser.add_argument("--only", nargs="+", choices=_CASES, default=[*_CASES])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        earlier = _install(Path(folder) / "build")
        for number, name in enumerate(arguments.only):
            found = _CASES[name](earlier, arguments.data.resolve(), Path(folder) / str(number))
            print(f"| {name} | {found} |", flush=True)  # noqa: T201


def _install(folder: Path) -> Path:
    """The program `dataflow` of the earlier build."""
    for command in (
        ("git", "clone", "--quiet", "--no-checkout", str(Path(__file__).parents[2]), str(folder)),
        ("git", "-C", str(folder), "checkout", "--quiet", _BUILD),
        ("uv", "sync", "--quiet", "--no-dev", "--project", str(folder)),
    ):
        subprocess.run(command, check=True)
    return folder / ".venv/bin/dataflow"


def _embedded(earlier: Path, data: Path, home: Path) -> str:
    settings = {"DATAFLOW_HOME": str(home)}
    require(settings, "demo", "--data", data, program=earlier)
    before = _contents(settings, earlier, "warehouse")
    refused = run(settings, "init-db")
    (home / "postgres").rename(home / "postgres.before")
    return _rebuilt(settings, before, refused)


def _elsewhere(earlier: Path, data: Path, home: Path) -> str:
    with server(find_programs()[-1]) as admin:
        return _in_databases(earlier, data, home, admin)


def _in_databases(earlier: Path, data: Path, home: Path, admin: str) -> str:
    settings = {"DATAFLOW_HOME": str(home), "DATABASE_URL": make_database(admin, "earlier")}
    require(settings, "init-db", program=earlier)
    require(settings, "demo", "--data", data, program=earlier)
    before = _contents(settings, earlier, "warehouse")
    refused = run(settings, "init-db")
    settings["DATABASE_URL"] = make_database(admin, "present")
    require(settings, "init-db")
    return _rebuilt(settings, before, refused)


def _rebuilt(settings: Mapping[str, str], before: Mapping[str, str], refused: subprocess.CompletedProcess[str]) -> str:
    """What `rebuild` makes of the lake, which alone is left."""
    if not refused.returncode:
        return "`init-db` was not refused"
    shutil.rmtree(Path(settings["DATAFLOW_HOME"]) / "landing")
    require(settings, "rebuild")
    after = _contents(settings, DATAFLOW, "ledger")
    others = sorted(name for name, rows in after.items() if rows != before[name])
    found = f"{len(others)} other tables: {', '.join(others)}" if others else f"{len(after)} tables as before"
    return f"refused: {said(refused.stderr)} `rebuild` without landing: {found}"


def _contents(settings: Mapping[str, str], program: Path, records: str) -> dict[str, str]:
    """Every row of the tables of people and the counts of the deliveries, as text, by the table."""

    def ask(statement: str) -> str:
        return require(settings, "query", "--format", "csv", "-c", statement, program=program)

    names = ask(_TABLES).split()[1:]
    rows = {name: ask(f'SELECT t::text FROM {name} t ORDER BY t::text COLLATE "C"') for name in names}
    return {**rows, "deliveries": ask(f"SELECT {_COUNTS} FROM {records}.deliveries ORDER BY delivery")}


_CASES = {"the embedded server": _embedded, "DATABASE_URL": _elsewhere}


if __name__ == "__main__":
    main()
