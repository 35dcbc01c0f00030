"""Tables that are part of no day are dropped, and no others."""

from datetime import timedelta

from dataflow_assets.postgres.connection import connect, transaction
from dataflow_assets.postgres.sql import execute
from dataflow_assets.warehouse.events import load_day
from dataflow_assets.warehouse.orphans import drop_orphan_tables
from dataflow_assets_tests.warehouse.builders import DAY, STREAMS, ask, minutes, sessions, tables_of_days

_ORPHAN = "CREATE TABLE warehouse_days.streams_20211201_0f0f AS SELECT * FROM warehouse.streams"


def test_a_table_of_no_day_is_dropped_and_the_days_stay(database_url: str) -> None:
    lake = sessions([*minutes(DAY, 3), *minutes(DAY + timedelta(days=1), 2)])
    with connect(database_url) as connection:
        for after in (0, 1):
            load_day(connection, STREAMS, lake.lazy(), 1, DAY + timedelta(days=after), "UTC")
    days = tables_of_days(database_url)
    with connect(database_url) as connection:
        execute(connection, _ORPHAN)
    with connect(database_url) as connection:
        found = drop_orphan_tables(connection, dry_run=True)
        assert (found.count, found.size > 0) == (1, True)
        assert drop_orphan_tables(connection) == found
        assert drop_orphan_tables(connection).count == 0
    assert tables_of_days(database_url) == days
    assert ask(database_url, "SELECT count(*) FROM warehouse.streams") == [(5,)]


def test_the_table_of_a_load_at_work_is_not_seen(database_url: str) -> None:
    with connect(database_url) as loading, connect(database_url) as connection:
        with transaction(loading):
            execute(loading, _ORPHAN)
            assert drop_orphan_tables(connection).count == 0
        assert drop_orphan_tables(connection).count == 1
