"""A server that others set up: a time zone, a publication of all tables, a dump that was restored."""

import subprocess
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from dataflow_assets.doctor.databases import database
from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.embedded.lease import find_programs
from dataflow_assets.postgres.migrate import upgrade
from dataflow_assets.runtime.instance import open_instance
from dataflow_assets.settings import load_settings
from dataflow_assets.warehouse.analyze import analyze_events
from dataflow_assets.warehouse.events import load_day
from dataflow_assets.warehouse.months import merge_old_days
from dataflow_assets_tests.postgres.superuser import superuser_server
from dataflow_assets_tests.runtime.tiny_definitions import defs
from dataflow_assets_tests.warehouse.builders import DAY, STREAMS, ask, minutes, sessions


@pytest.fixture(scope="module")
def superuser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with superuser_server(tmp_path_factory.mktemp("superuser")) as url:
        upgrade(url)
        yield url


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata"])
def test_a_run_made_now_is_new_whatever_the_databases_time_zone(
    database_url: str, clean_environment: pytest.MonkeyPatch, zone: str
) -> None:
    name = database_url.rpartition("/")[2]
    ask(database_url, f"ALTER DATABASE {name} SET timezone = '{zone}'")
    clean_environment.setenv("DATABASE_URL", database_url)
    clean_environment.delenv("PGTZ", raising=False)
    assert f"Its sessions are in {zone}" in database(load_settings()).sentence
    with open_instance(load_settings()) as instance:
        run = instance.create_run_for_job(defs.resolve_job_def("quick_job"))
        record = instance.get_run_record_by_id(run.run_id)
        assert record
        age = ask(database_url, "SELECT extract(epoch FROM now())")[0][0] - int(record.create_timestamp.timestamp())
    assert abs(age) < 1800


def test_a_publication_of_all_tables_stops_no_load(superuser: str) -> None:
    ask(superuser, "CREATE PUBLICATION everything FOR ALL TABLES")
    for version in (1, 2):
        lake = pl.concat([sessions(minutes(DAY, 10)), sessions(minutes(DAY, 3))])
        with connect(superuser) as connection:
            load = load_day(connection, STREAMS, lake.lazy(), version, DAY, "UTC")
        assert (load.rows, load.superseded) == (10, 3)
    deletes = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('analytics', 'ledger')"
    for (table,) in ask(superuser, deletes):
        ask(superuser, f"DELETE FROM {table}")
    [(leaf,)] = ask(superuser, "SELECT inhrelid::regclass::text FROM pg_inherits ORDER BY 1 LIMIT 1")
    assert ask(superuser, "SELECT relreplident FROM pg_class WHERE oid = %s::regclass", leaf) == [("d",)]


def test_the_days_of_a_restored_dump_get_their_statistics(superuser: str, tmp_path: Path) -> None:
    later = date(2021, 12, 1)
    with connect(superuser) as connection:
        for day in (DAY, DAY + timedelta(days=1), later):
            load_day(connection, STREAMS, sessions(minutes(day, 100)).lazy(), 9, day, "UTC")
        assert merge_old_days(connection, STREAMS, later, "UTC").count == 2
        load_day(connection, STREAMS, sessions(minutes(DAY, 90)).lazy(), 10, DAY, "UTC")
    ask(superuser, "DROP PUBLICATION IF EXISTS everything")
    other = superuser.rpartition("/")[0] + "/restored"
    subprocess.run([find_programs() / "createdb", f"--maintenance-db={superuser}", "restored"], check=True)
    dump = tmp_path / "dump"
    subprocess.run(
        [find_programs() / "pg_dump", "--format=custom", "--no-statistics", f"--file={dump}", superuser], check=True
    )
    subprocess.run([find_programs() / "pg_restore", f"--dbname={other}", dump], check=True)
    known = "SELECT count(DISTINCT tablename) FROM pg_stats WHERE schemaname = 'warehouse_days'"
    assert ask(other, known) == [(0,)]
    with connect(other) as connection:
        analyze_events(connection, STREAMS)
        load_day(connection, STREAMS, sessions(minutes(DAY, 80)).lazy(), 11, DAY, "UTC")
    assert ask(other, known) == [(2,)]
    assert ask(other, "SELECT count(*) FROM warehouse.streams") == [(280,)]
