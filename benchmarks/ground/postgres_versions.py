"""The reference data's answers on each PostgreSQL that this machine has, as a plain role that owns its database.

    python -m benchmarks.ground.postgres_versions --data ../shared/reference

The servers are the two of the embedded package and those of Debian below /usr/lib/postgresql. Each is made anew in a
temporary folder, on loopback, with scram passwords. In both time zones `init-db`, `demo` twice, a day on which every
delivery is another one, `query` and `doctor` run; what the tables hold then must be the same on each server.
"""

import argparse
import tempfile
from pathlib import Path

from benchmarks.ground.main_job import do_main_job, make_another_day
from benchmarks.ground.servers import find_programs, make_database, read_version, server
from dataflow_assets_tests.known_answers import EXPECTED


def main() -> None:
    """Run the commands on each server and print a row for each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder of the reference data")
    data = parser.parse_args().data.resolve()
    with tempfile.TemporaryDirectory() as folder:
        another_day = make_another_day(Path(folder))
        for programs in find_programs():
            with server(programs) as admin:
                for number, timezone in enumerate(EXPECTED):
                    found = do_main_job(make_database(admin, f"ground_{number}"), timezone, data, another_day)
                    print(f"| {read_version(programs)} | {timezone} | {found} |", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
