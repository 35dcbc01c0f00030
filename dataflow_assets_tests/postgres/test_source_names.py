"""Sources may have the names of the platform's own tables, and the longest that is allowed."""

from dataclasses import replace
from pathlib import Path

import pytest

from dataflow_assets import sources as sources_package
from dataflow_assets.lake.delta.dumps import read_dumps
from dataflow_assets.lake.delta.table import rejects_table, rows_table
from dataflow_assets.lake.ingest import ingest
from dataflow_assets.landing.storage import Storage
from dataflow_assets.ledger.deliveries import record_delivery
from dataflow_assets.ledger.delivery_reports import read_deliveries
from dataflow_assets.ledger.tables import METADATA
from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.migrate import VERSION_TABLE, upgrade
from dataflow_assets.postgres.schema import SCHEMAS
from dataflow_assets.sources.base import Events, Snapshot, Source
from dataflow_assets.warehouse.events import load_day
from dataflow_assets.warehouse.query import run_query
from dataflow_assets.warehouse.scan import scan_source
from dataflow_assets.warehouse.snapshots import load_snapshot
from dataflow_assets.warehouse.staleness import find_stale_days
from dataflow_assets_tests.landing.stores import FIRST_DAY, land, local_storage
from dataflow_assets_tests.postgres.test_migrate import differences, generate, migrations
from dataflow_assets_tests.warehouse.builders import DAY, SHOPS, STREAMS, tables_of_days

__all__ = ["local_storage", "migrations"]

NAMES = sorted({VERSION_TABLE, *SCHEMAS, "s" * 45, *(table.name for table in METADATA.sorted_tables)} - {"rejects"})
CSV = {
    Events: f"movie_title,user_email,size_mb,start_at,end_at\nHeat,a@x,1,{DAY}T10:00:00Z,{DAY}T11:00:00Z\n,,,,\n",
    Snapshot: "name,city\nThe corner,Lyon\n,\n",
}
COLUMN = {Events: ("movie_title", "Heat"), Snapshot: ("name", "The corner")}


def load(url: str, storage: Storage, source: Source) -> None:
    """Land a file with a good row and a broken one, ingest it, and load what it gave."""
    landed = land(storage, source.name, "a.csv", CSV[type(source)])
    intake = ingest(storage, source, landed.object, "UTC", first_day=FIRST_DAY)
    assert intake
    record_delivery(url, intake, rejects_table(storage).scan())
    table = rows_table(storage, source)
    version = table.open().version()
    with connect(url) as connection:
        if isinstance(source, Events):
            assert find_stale_days(connection, source) == {DAY}
            load_day(connection, source, table.scan(), version, DAY, "UTC")
        elif isinstance(source, Snapshot):
            load_snapshot(connection, source, table.scan(), version, read_dumps(table, version))
        assert find_stale_days(connection, source) == set()


@pytest.mark.parametrize(
    "kind", [replace(STREAMS, references=(), indexes=("movie_title",)), SHOPS], ids=["events", "snapshots"]
)
def test_sources_named_as_the_platforms_tables_are_migrated_loaded_and_queried(
    kind: Source,
    empty_database_url: str,
    migrations: Path,
    monkeypatch: pytest.MonkeyPatch,
    local_storage: Storage,
) -> None:
    declared = tuple(replace(kind, name=name, singular=f"one_of_{name}") for name in NAMES)
    monkeypatch.setattr(sources_package, "all_sources", lambda: declared)
    upgrade(empty_database_url)
    generate(empty_database_url, migrations, "Other sources")
    upgrade(empty_database_url)
    assert differences(empty_database_url, declared) == []
    column, value = COLUMN[type(kind)]
    for source in declared:
        load(empty_database_url, local_storage, source)
    for source in declared:
        assert scan_source(empty_database_url, source, "UTC").collect()[column].to_list() == [value], source.name
        found = run_query(empty_database_url, f"SELECT {column} FROM warehouse.{source.name}")
        assert found.rows == [(value,)], source.name
        [row] = read_deliveries(empty_database_url, source.name, None)
        assert (row["source"], row["accepted"], row["rejected"]) == (source.name, 1, 1)
    rejects = run_query(empty_database_url, "SELECT source, count(*) FROM ledger.rejects GROUP BY 1 ORDER BY 1")
    assert rejects.rows == [(name, 1) for name in NAMES]
    if isinstance(kind, Events):
        days = [name for (name,) in tables_of_days(empty_database_url)]
        assert sorted(len(name.removeprefix("s" * 45)) for name in days if name.startswith("sss")) == [9, 18]
