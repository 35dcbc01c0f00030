"""What each command shows in a terminal of 80 columns, recorded anew by one command, in a fresh home:

    uv run python -m benchmarks.recordings

Here: the commands, in an order in which each works. Not here: what they print, and the terminal (see
`dataflow_assets_tests.terminal`).
"""

import argparse
import os
import re
import shlex
import tempfile
from datetime import date
from pathlib import Path

from dataflow_assets.sample_data import write_sample
from dataflow_assets.settings import variable_names
from dataflow_assets_tests.terminal import run_in_terminal

RECORDINGS = Path(__file__).parent.parent / "docs/reference/recordings"
_STREAMS = "SELECT * FROM warehouse.streams ORDER BY start_at, id LIMIT 1"
_COMMANDS = {  # by the name of the recording: a recording that is named like a command is of that command
    "help": "--help",
    "demo": "demo --data files",
    "answers": "answers",
    "answers-plot": "answers --plot",
    "query": f"query -c {shlex.quote(_STREAMS)}",
    "rejects": "rejects --source authors",
    "deliveries": "deliveries",
    "explain": "explain --source movies --key title=Unforgiven",
    "preview": "preview movies.csv --model movie",
    "load": "load --model movie --collector csv --config movies.csv --delivered 2021-12-30",
    "load-quarantined": "load --model user --collector csv --config users.csv --delivered 2022-01-01",
    "release": "release --source users --day 2022-01-01",
    "replay": "replay --source movies",
    "backfill": "backfill --asset analytics/engaged_users --from 2021-12-30 --to 2021-12-31",
    "report": "report --out answers.html",
    "sample": "sample --out sample --streams 100",
    "new-source": "new source orders.csv --print",
    "doctor": "doctor",
    "init-db": "init-db",
    "housekeeping": "housekeeping --dry-run",
    "env": "env",
    "url": "url --role reader",
    "psql": "psql --role reader --help",
    "collect": "collect",
    "follow": "follow --help",
    "user-add": "user add ada --role reader --machine",
    "user-list": "user list",
    "user-role": "user role ada writer",
    "user-sources": "user sources ada --source streams --source movies",
    "user-key-add": "user key add ada --days 30",
    "user-key-list": "user key list ada",
    "user-disable": "user disable ada",
    "user-enable": "user enable ada",
    "backup": "backup copy",
    "restore": "restore copy",
    "rebuild": "rebuild",
    "up": "up",
    "serve": "serve --help",
    "worker": "worker --help",
    "user-password": "user password --help",
    "user-key-remove": "user key remove --help",
}
_ELSEWHERE = ("restore",)  # in a home of its own
_UNTIL_STOPPED = {"up": " running · "}  # and what is written before Ctrl-C is pressed
_MOVIES = "title,duration_mins,original_language,size_mb\nRust,90,,1\n,90,,1\nHeat,long,,1\n"
_USERS = "email,first_name,last_name\nada@mail.example,Ada,King\n"
_ORDERS = "number,amount_eur,ordered_at\n1001,19.90,2021-12-30T09:15:00Z\n1002,5.00,2021-12-30T10:20:00Z\n"


def main() -> None:
    """Record every command, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", nargs="*", default=list(_COMMANDS), help="names of recordings, besides the demo")
    only = {"demo", *parser.parse_args().only}
    RECORDINGS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="recordings-") as folder:
        os.chdir(folder)
        write_sample(Path("files"), last_day=date(2021, 12, 31))
        Path("movies.csv").write_text(_MOVIES)
        Path("orders.csv").write_text(_ORDERS)
        Path("users.csv").write_text(_USERS)
        for name, command in _COMMANDS.items():
            if name in only:
                (RECORDINGS / f"{name}.txt").write_text(_record(name, command, folder))
                print(name, flush=True)  # noqa: T201


def _record(name: str, command: str, folder: str) -> str:
    """The command and what stood in the terminal; ids, passwords and folders are of this run alone."""
    dropped = {*variable_names(), "COLUMNS", "NO_COLOR", "FORCE_COLOR"}
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    home = "restored" if name in _ELSEWHERE else "home"
    environment |= {"DATAFLOW_HOME": f"{folder}/{home}", "TERM": "xterm-256color"}
    seen = run_in_terminal(shlex.split(command), 80, environment, stop_after=_UNTIL_STOPPED.get(name))
    text = seen.text.replace(folder, "…")
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "00000000-0000-0000-0000-000000000000", text)
    text = re.sub(r"(://\w+):[^@\s]+@", r"\1:…@", text)
    text = re.sub(r"dfk_[\w-]+", "dfk_…", text)
    variable = f"DATAFLOW_HOME={home} " if name in _ELSEWHERE else ""
    return f"$ {variable}dataflow {command}\n{text}"


if __name__ == "__main__":
    main()
