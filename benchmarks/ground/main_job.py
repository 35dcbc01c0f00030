"""The main job of the platform on a database: the reference data's answers, twice, and a day on which all is replaced.

Here: running it by the commands of a user, and a digest of what the tables hold then, equal wherever all went well. Not
here: which database that is.
"""

import hashlib
import json
import tempfile
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from benchmarks.ground.servers import require, run
from dataflow_assets_tests.known_answers import require_known_answers

_TABLES = (
    *("warehouse.streams", "warehouse.movies", "warehouse.users", "warehouse.users_history", "warehouse.books_history"),
    *("analytics.average_session", "analytics.sessions_in_progress", "analytics.engaged_users"),
)


def make_another_day(folder: Path) -> Path:
    """Files of the day on which every delivery is another one."""
    require({"DATAFLOW_HOME": str(folder)}, "sample", "--out", folder, "--streams", "2000", "--seed", "1")
    return folder


def do_main_job(url: str, timezone: str, data: Path, another_day: Path) -> str:
    """What held, in one line: the known answers and the digest, or what was said by the first command that failed."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as home:
        settings = {"DATAFLOW_HOME": home, "DATABASE_URL": url, "DATAFLOW_TIMEZONE": timezone}
        command = partial(run, settings)
        if (done := command("init-db")).returncode:
            return f"`init-db`: {said(done.stderr)}"
        for _ in range(2):
            if (done := command("demo", "--data", data, "--json")).returncode:
                return f"`demo`: {said(done.stderr)}"
            require_known_answers(json.loads(done.stdout), timezone)
        done = command("demo", "--data", another_day, "--delivered", "2022-01-02", "--json")
        if done.returncode:
            return f"another day: {said(done.stderr)}"
        digest = digest_tables(settings)
        findings = json.loads(command("doctor", "--json").stdout)
        if problems := [finding["sentence"] for finding in findings if finding["state"] == "problem"]:
            return f"`doctor`: {' '.join(problems)}"
    return f"the known answers, twice; tables {digest}; {time.monotonic() - began:.0f} s"


def digest_tables(settings: Mapping[str, str]) -> str:
    """A digest of every row of the tables of people, in an order that no collation changes."""
    statements = (f'SELECT t::text FROM {table} t ORDER BY t::text COLLATE "C"' for table in _TABLES)
    found = [require(settings, "query", "--format", "csv", "-c", statement) for statement in statements]
    return hashlib.sha256("".join(found).encode()).hexdigest()[:12]


def said(stderr: str) -> str:
    """The last line of the last message of a command."""
    last = stderr.splitlines()[-1] if stderr else "nothing"
    return str(json.loads(last)["event"]).splitlines()[-1] if last.startswith("{") else last
