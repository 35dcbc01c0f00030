"""Tables come back as frames of the declared columns."""

from datetime import timedelta

from polars.testing import assert_frame_equal

from dataflow_assets.sources import all_sources
from dataflow_assets.warehouse.database import connect
from dataflow_assets.warehouse.event_days import load_day
from dataflow_assets.warehouse.reading import read_events, read_tables
from dataflow_assets.warehouse.snapshots import load_snapshot
from dataflow_assets_tests.warehouse.made import AUTHORS, DAY, STREAMS, dump, minutes, sessions

DAYS = [DAY + timedelta(days=number) for number in range(4)]


def test_events_of_a_range_of_days_are_read_both_ends_included(database_url: str) -> None:
    lake = sessions([start for day in DAYS for start in minutes(day, 3)])
    with connect(database_url) as connection:
        for day in DAYS:
            load_day(connection, STREAMS, lake.lazy(), 1, day, "UTC")
        names = STREAMS.schema.column_names()
        for first, last in ((0, 3), (1, 2), (2, 2)):
            found = read_events(connection, STREAMS, DAYS[first], DAYS[last]).sort("start_at")
            assert_frame_equal(found, lake.select(names)[3 * first : 3 * last + 3])
        assert_frame_equal(read_events(connection, STREAMS).sort("start_at"), lake.select(names))


def test_every_table_of_a_new_warehouse_is_empty_and_typed(database_url: str) -> None:
    frames = read_tables(database_url, all_sources())
    assert {name: frame.schema for name, frame in frames.items()} == {
        source.name: source.schema.create_empty().schema for source in all_sources()
    }
    assert sum(frame.height for frame in frames.values()) == 0


def test_tables_are_read_by_their_sources_name(database_url: str) -> None:
    with connect(database_url) as connection:
        load_day(connection, STREAMS, sessions(minutes(DAY, 3)).lazy(), 1, DAY, "UTC")
        load_snapshot(connection, AUTHORS, dump({"x": None}).lazy(), 1)
    frames = read_tables(database_url, [STREAMS, AUTHORS])
    assert {name: frame.height for name, frame in frames.items()} == {"streams": 3, "authors": 1}
