"""A migration while a load runs: both end, and the tables are those of a load alone."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psycopg2
import pytest

from benchmarks.crashes import STEPS
from dataflow_assets.errors import LockTimeoutError
from dataflow_assets.postgres import migrate
from dataflow_assets.postgres.migrate import upgrade
from dataflow_assets.settings import Settings
from dataflow_assets_tests.loading import Worker, ask, deliver, leftover_locks, orphan_tables, summary, uneven_days
from dataflow_assets_tests.postgres.test_migrate import _with_connection
from dataflow_assets_tests.warehouse.builders import together

_TABLES = [
    *(("warehouse", table) for table in ("users_current", "streams", "users_history")),
    *(("ledger", table) for table in ("event_days", "snapshots", "deliveries")),
]
_MIGRATION = f'''
"""Gives each table a column, and takes it away again: its strongest lock, and no difference."""

import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "next", "{{head}}", None, None


def upgrade() -> None:
    for schema, table in {_TABLES}:
        op.add_column(table, sa.Column("passing", sa.Text()), schema=schema)
        op.drop_column(table, "passing", schema=schema)
'''


@pytest.fixture
def next_migration(monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Path) -> str:
    """There is a migration that the database lacks; the statement after which it lacks it again."""
    [(head,)] = ask(settings, "SELECT version_num FROM ledger.migrations")
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "next.py").write_text(_MIGRATION.format(head=head))
    monkeypatch.setattr(migrate, "configuration", partial(_with_connection, folder))
    return f"UPDATE ledger.migrations SET version_num = '{head}' RETURNING 1"


@pytest.fixture
def worker() -> Iterator[Worker]:
    started = Worker()
    yield started
    started.kill()


def test_loads_and_migrations_at_once_both_end_well(
    settings: Settings, database_url: str, next_migration: str, worker: Worker
) -> None:
    for step in STEPS:
        worker.begin(deliver, settings, step)
        worker.result()

    expected, migrations = summary(settings), 0
    while migrations <= len(STEPS):  # that ran beside a load
        for step in STEPS:
            worker.begin(deliver, settings, step)
            while not worker.is_done(0.02):
                assert upgrade(database_url)
                ask(settings, next_migration)
                migrations += 1
            worker.result()
    assert summary(settings) == expected
    assert (uneven_days(settings), orphan_tables(settings), leftover_locks(settings)) == ([], [], [])


def test_where_a_table_is_never_free_the_migration_gives_up_and_keeps_nobody_waiting(
    settings: Settings, database_url: str, next_migration: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "_LOCK_SECONDS", 1.5)
    forgotten = psycopg2.connect(database_url, application_name="notebook")
    with forgotten.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM warehouse.users")
    longest = 0.0

    def read() -> None:
        nonlocal longest
        for _ in range(20):
            start = time.monotonic()
            ask(settings, "SELECT count(*) FROM warehouse.streams")
            longest = max(longest, time.monotonic() - start)

    upgraded, read_all = together(lambda: upgrade(database_url), read)
    with pytest.raises(LockTimeoutError, match=r"by session \d+ \(notebook, .*Nothing was changed: try again later"):
        upgraded.result()
    read_all.result()
    assert longest < 30, "a reader waited for more than one try"
    forgotten.close()
    assert upgrade(database_url)
