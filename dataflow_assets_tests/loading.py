"""Landing and loading small deliveries in processes of their own, and what lake and warehouse hold afterwards.

Here: such a process, which can be killed, what it does, and a summary by which two runs can be compared. Not
here: what is landed, who runs beside whom, and when something is killed.
"""

import hashlib
import json
import multiprocessing
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg2

from dataflow_assets.lake.delta.dumps import read_dumps
from dataflow_assets.lake.delta.table import LakeTable, rejects_table, rows_table
from dataflow_assets.lake.ingest import Intake, ingest
from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.ledger.deliveries import read_recorded_versions, record_delivery
from dataflow_assets.postgres.connection import connect
from dataflow_assets.settings import Settings
from dataflow_assets.sources import Events, Snapshot, Source, find_source
from dataflow_assets.warehouse.bootstrap import open_warehouse
from dataflow_assets.warehouse.events import load_day
from dataflow_assets.warehouse.snapshots import load_snapshot
from dataflow_assets_tests.warm import WARM

Report = Callable[[str], None]

# What of each table follows from the landed objects alone, and not from the order of runs.
_COMPARED = {
    "warehouse.streams": "*",
    "ledger.event_days": "source, event_day, declaration, accepted, rows, superseded",
    "warehouse.users": "*",
    "warehouse.users_current": "*",
    "warehouse.users_history": "*",
    "ledger.snapshots": "source, newest_day",
    "ledger.deliveries WHERE state <> 'superseded'": (
        "delivery, source, day, object, size, state, refusal, delivered, accepted, rejected, event_days"
    ),
}


@dataclass(frozen=True)
class Landed:
    """A file to be landed."""

    source: str
    day: date
    name: str
    text: str

    @property
    def key(self) -> str:
        """Its object's key."""
        return f"landing/{self.source}/{self.day}/{self.name}"


class WorkerError(Exception):
    """What failed in a worker, as text."""


class Worker:
    """A process that does one task after the other; a task's first argument tells what it is about to do."""

    def __init__(self) -> None:
        self._pipe, theirs = WARM.Pipe()
        self._process = WARM.Process(target=_work, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self.phase = "start"
        self._outcome: tuple[str, Any] | None = None

    def begin(self, task: Callable[..., Any], *arguments: object) -> None:
        """Give it a task; it has none."""
        self._outcome = None
        self._pipe.send((task, arguments))

    def is_done(self, within: float) -> bool:
        """Whether the task ends within so many seconds; `phase` is what it told last."""
        deadline = time.monotonic() + within
        while self._outcome is None and self._pipe.poll(max(0.0, deadline - time.monotonic())):
            try:
                kind, value = self._pipe.recv()
            except EOFError:
                kind, value = "failed", "the process has ended"
            if kind == "phase":
                self.phase = value
            else:
                self._outcome = kind, value
        return self._outcome is not None

    def result(self, seconds: float = 300) -> Any:
        """What the task gave.

        Raises:
            WorkerError: it failed.
        """
        assert self.is_done(seconds), f"not done in {seconds} seconds: {self.phase}"
        assert self._outcome
        kind, value = self._outcome
        if kind == "failed":
            raise WorkerError(value)
        return value

    def kill(self) -> None:
        """SIGKILL it, and wait until it is dead."""
        self._process.kill()
        self._process.join()
        self._pipe.close()


def _work(pipe: Any) -> None:
    while True:
        try:
            task, arguments = pipe.recv()
        except EOFError:
            return
        try:
            outcome = "done", task(lambda phase: pipe.send(("phase", phase)), *arguments)
        except Exception:
            outcome = "failed", traceback.format_exc()
        pipe.send(outcome)


def deliver(report: Report, settings: Settings, files: Iterable[Landed]) -> list[Intake]:
    """Land files, take each into the lake, and bring the warehouse after it."""
    with patch.object(tempfile, "tempdir", str(settings.home)):
        landing = Landing(open_storage(settings))
        intakes = []
        for file in files:
            report("landing")
            path = settings.home / f"{file.source}-{multiprocessing.current_process().pid}"
            path.write_text(file.text)
            landing.put(file.source, file.day, path, file.name)
            intakes.append(take_and_load(report, settings, file.source, file.key))
        return intakes


def take_and_load(report: Report, settings: Settings, name: str, key: str) -> Intake:
    """Take a landed object into the lake and bring the warehouse after it."""
    source = find_source(name)
    report(f"lake {name}")
    url, storage = open_warehouse(settings), open_storage(settings)
    delivery = Landing(storage).current(key)
    assert delivery
    told = read_recorded_versions(url, source).get(delivery.id, 0)
    intake = ingest(storage, source, key, settings.timezone, told, first_day=settings.first_day)
    assert intake
    report(f"warehouse {name}")
    load(settings, source, intake.version, intake.event_days)
    record_delivery(url, intake)  # last, so that a crash before repeats all of it
    return intake


def load(settings: Settings, source: Source, version: int, days: Iterable[date]) -> None:
    """Load a version of the lake: some days of events, or a snapshot."""
    table = rows_table(open_storage(settings), source)
    with connect(open_warehouse(settings)) as connection:
        if isinstance(source, Events):
            for day in sorted(days):
                load_day(connection, source, table.scan(version), version, day, settings.timezone)
        else:
            assert isinstance(source, Snapshot)
            changed_days = partial(table.changed_days, version=version)
            load_snapshot(connection, source, table.scan(version), version, read_dumps(table, version), changed_days)


def summary(settings: Settings) -> dict[str, tuple[int, str]]:
    """How many rows each table of lake and warehouse has, and a hash of what they say."""
    storage = open_storage(settings)
    tables = [rows_table(storage, find_source(name)) for name in ("streams", "users")] + [rejects_table(storage)]
    found = {f"lake.{table.name}": _lake_summary(table) for table in tables}
    for name, columns in _COMPARED.items():
        [(rows, digest)] = ask(
            settings,
            "SELECT count(*), coalesce(md5(string_agg(t::text, chr(10) ORDER BY t::text)), '') "
            f"FROM (SELECT {columns} FROM {name}) AS t",
        )
        found[name] = rows, digest
    return found


def _lake_summary(table: LakeTable) -> tuple[int, str]:
    rows = table.scan().collect()
    texts = sorted(map(repr, rows.rows()))
    return rows.height, hashlib.md5("\n".join(texts).encode(), usedforsecurity=False).hexdigest()


def uneven_days(settings: Settings) -> list[tuple[Any, ...]]:
    """The event days of which the records do not say what the table holds, or accepted = rows + superseded fails."""
    return ask(
        settings,
        "SELECT event_day, accepted, rows, superseded, held FROM ledger.event_days LEFT JOIN "
        "(SELECT event_day, count(*) AS held FROM warehouse.streams GROUP BY 1) AS streams USING (event_day) "
        "WHERE rows <> coalesce(held, 0) OR accepted <> rows + superseded",
    )


def orphan_tables(settings: Settings) -> list[str]:
    """The tables among those of the event days that no event table has."""
    found = ask(
        settings,
        "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'warehouse_days'::regnamespace "
        "AND relkind IN ('r', 'p') AND oid NOT IN (SELECT relid FROM pg_partition_tree('warehouse.streams'))",
    )
    return [name for (name,) in found]


def leftover_locks(settings: Settings, *, seconds: float = 300) -> list[tuple[Any, ...]]:
    """The locks that sessions hold still when they had some seconds to end: those of the dead are rolled back."""
    deadline = time.monotonic() + seconds
    while True:
        found = ask(
            settings,
            "SELECT pid, locktype, mode, relation::regclass::text, left(query, 60) FROM pg_locks "
            "JOIN pg_stat_activity USING (pid) WHERE datname = current_database() "
            "AND backend_type = 'client backend' AND pid <> pg_backend_pid()",
        )
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.01)


def uncommitted_files(settings: Settings) -> list[Path]:
    """The data files in the lake that no version of a table ever had."""
    files: list[Path] = []
    for table in (settings.home / "lake").glob("*/"):
        log = "\n".join(entry.read_text() for entry in (table / "_delta_log").glob("*.json"))
        actions = [json.loads(line) for line in log.splitlines()]
        committed = {action["add"]["path"] for action in actions if "add" in action}
        files += [path for path in table.rglob("*.parquet*") if str(path.relative_to(table)) not in committed]
    return files


def ask(settings: Settings, statement: str) -> list[tuple[Any, ...]]:
    """The rows of a statement, by another driver than the one under test."""
    assert settings.database_url
    connection = psycopg2.connect(settings.database_url.get_secret_value())
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()
    finally:
        connection.close()
