"""A column that a file lacks: nothing is known of its values, so that they stay as they were, in table and history."""

import json
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from dataflow_assets.lake.delta.dumps import read_dumps, read_missing_columns
from dataflow_assets.lake.delta.maintenance import merge_small_files
from dataflow_assets.lake.delta.table import rows_table
from dataflow_assets.lake.ingest import Intake, ingest
from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.landing.storage import Storage, open_storage
from dataflow_assets.postgres.connection import connect
from dataflow_assets.settings import Settings
from dataflow_assets.sources import Snapshot, find_source
from dataflow_assets.warehouse.snapshots import load_snapshot
from dataflow_assets_tests.lake.readers.packing import zipped
from dataflow_assets_tests.warehouse.builders import ask


def snapshot(name: str) -> Snapshot:
    found = find_source(name)
    assert isinstance(found, Snapshot)
    return found


MOVIES, AUTHORS = snapshot("movies"), snapshot("authors")
D1, D2, D3, D4 = (date(2021, 12, day) for day in (1, 2, 3, 4))
TABLE = "SELECT title, duration_mins, original_language FROM warehouse.movies ORDER BY title"
HISTORY = (
    "SELECT title, valid_from, valid_to, original_language FROM warehouse.movies_history ORDER BY title, valid_from"
)


@pytest.fixture
def storage(settings: Settings) -> Storage:
    return open_storage(settings)


@pytest.fixture
def url(settings: Settings) -> str:
    assert settings.database_url
    return settings.database_url.get_secret_value()


def take(
    storage: Storage,
    tmp_path: Path,
    day: date,
    content: str | bytes,
    name: str = "a.csv",
    source: Snapshot = MOVIES,
) -> Intake:
    path = tmp_path / "file.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    delivery = Landing(storage).put(source.name, day, path, name)
    intake = ingest(storage, source, delivery.object, "UTC", first_day=D1 - timedelta(days=30))
    assert intake
    return intake


def load(url: str, storage: Storage, source: Snapshot = MOVIES) -> None:
    table = rows_table(storage, source)
    version = table.open().version()
    with connect(url) as connection:
        load_snapshot(
            connection,
            source,
            table.scan(version),
            version,
            read_dumps(table, version),
            lambda older: table.changed_days(older, version),
        )


WHOLE = "title,duration_mins,original_language,size_mb\nHeat,170,en,1\nRust,90,fr,1\n"
LACKING = "title,duration_mins,size_mb\nHeat,170,1\nNew,80,1\nRust,91,1\n"
AGAIN = "title,duration_mins,original_language,size_mb\nHeat,170,en,1\nNew,80,en,1\nRust,91,de,1\n"


@pytest.mark.parametrize("at_once", [False, True], ids=["day by day", "at once"])
def test_a_column_that_goes_missing_alone_closes_no_history(
    url: str, storage: Storage, tmp_path: Path, at_once: bool
) -> None:
    for day, content in ((D1, WHOLE), (D2, LACKING), (D3, LACKING), (D4, AGAIN)):
        intake = take(storage, tmp_path, day, content)
        assert (intake.quarantine_reason, intake.accepted) == (None, 2 if day == D1 else 3)
        assert intake.missing_columns == (("original_language",) if content == LACKING else ())
        if at_once:
            continue
        load(url, storage)
        if day == D3:
            assert ask(url, TABLE) == [("Heat", 170, "en"), ("New", 80, None), ("Rust", 91, "fr")]
    load(url, storage)
    assert ask(url, TABLE) == [("Heat", 170, "en"), ("New", 80, "en"), ("Rust", 91, "de")]
    assert ask(url, HISTORY) == [
        ("Heat", D1, None, "en"),
        ("New", D2, D4, None),
        ("New", D4, None, "en"),
        ("Rust", D1, D2, "fr"),
        ("Rust", D2, D4, "fr"),
        ("Rust", D4, None, "de"),
    ]


@pytest.mark.parametrize("at_once", [False, True], ids=["day by day", "at once"])
def test_a_member_that_lacks_a_column_takes_no_values_from_the_others(
    url: str, storage: Storage, tmp_path: Path, at_once: bool
) -> None:
    take(storage, tmp_path, D1, WHOLE)
    if not at_once:
        load(url, storage)
    with_a_header = {"1.csv": AGAIN.encode(), "2.csv": b"title,duration_mins,size_mb\n"}
    assert take(storage, tmp_path, D2, zipped(with_a_header), "a.csv.zip").missing_columns == ()
    with_a_row = {"1.csv": AGAIN.encode(), "2.csv": b"title,duration_mins,size_mb\nAlien,117,1\n"}
    assert take(storage, tmp_path, D3, zipped(with_a_row), "a.csv.zip").quarantine_reason
    load(url, storage)
    assert ask(url, TABLE) == [("Heat", 170, "en"), ("New", 80, "en"), ("Rust", 91, "de")]


def test_a_column_made_of_a_list_that_a_file_of_json_lacks_closes_no_history(
    url: str, storage: Storage, tmp_path: Path
) -> None:
    whole = {"metadata": {"name": "A", "birth_date": None, "died_at": None}, "nationalities": [{"slug": "finns"}]}
    for day, author in ((D1, whole), (D2, {"metadata": whole["metadata"]}), (D3, {**whole, "nationalities": []})):
        intake = take(storage, tmp_path, day, json.dumps([author]), "a.json", AUTHORS)
        assert intake.missing_columns == (("nationality",) if day == D2 else ())
        load(url, storage, AUTHORS)
    history = ask(url, "SELECT valid_from, valid_to, nationality FROM warehouse.authors_history ORDER BY valid_from")
    assert history == [(D1, D3, "finns"), (D3, None, None)]


def test_the_lake_knows_of_each_version_what_it_lacks(storage: Storage, tmp_path: Path) -> None:
    table = rows_table(storage, MOVIES)
    lacking = take(storage, tmp_path, D1, LACKING)
    expected = {lacking.delivery.id: frozenset({"original_language"})}
    assert read_missing_columns(table, lacking.version) == expected
    assert read_dumps(table, lacking.version).rows == {D1: 3}
    assert table.scan().collect()["original_language"].to_list() == [None] * 3
    merge_small_files(table)
    assert read_missing_columns(table, table.open().version()) == expected
    whole = take(storage, tmp_path, D1, AGAIN)
    assert read_missing_columns(table, whole.version) == {}
    assert read_missing_columns(table, lacking.version) == expected


def test_a_file_without_rows_lacks_nothing(storage: Storage, tmp_path: Path) -> None:
    intake = take(storage, tmp_path, D1, "title,duration_mins,size_mb\n")
    assert read_missing_columns(rows_table(storage, MOVIES), intake.version) == {}


def test_other_readers_of_the_lake_see_no_rows_of_what_is_lacking(storage: Storage, tmp_path: Path) -> None:
    take(storage, tmp_path, D1, LACKING)
    found = pl.DataFrame(rows_table(storage, MOVIES).open().to_pyarrow_table())
    assert found.select("title", "original_language").sort("title").rows() == [
        ("Heat", None),
        ("New", None),
        ("Rust", None),
    ]
