"""Many objects are taken into tables that are opened once; what others commit meanwhile is seen all the same."""

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from dataflow_assets.lake.delta.table import rows_table
from dataflow_assets.lake.ingest import Intake, ingest
from dataflow_assets.lake.open_tables import OpenTables
from dataflow_assets.landing.storage import Storage
from dataflow_assets.sources import find_source
from dataflow_assets_tests.landing.stores import DAY, FIRST_DAY, land

USERS = find_source("users")
HEAD = "email,first_name,last_name\n"
_MOST_COMMITS = 20  # after a checkpoint


def _take_in(storage: Storage, name: str, content: str, tables: OpenTables | None, day: date = DAY) -> Intake:
    delivery = land(storage, USERS, name, HEAD + content, day)
    taken = ingest(storage, USERS, delivery.object, "UTC", first_day=FIRST_DAY, tables=tables)
    assert taken
    return taken


def _emails(storage: Storage) -> list[str]:
    return rows_table(storage, USERS).scan().select(pl.col("email").sort()).collect()["email"].to_list()


def test_open_tables_are_brought_up_to_date_before_each_object(storage: Storage) -> None:
    tables = OpenTables(storage, USERS)
    _take_in(storage, "a.csv", "a@x,A,Aa\n", tables)
    _take_in(storage, "b.csv", "b@x,B,Bb\n", None)  # as another run does
    _take_in(storage, "a.csv", "c@x,C,Cc\n", None)
    last = _take_in(storage, "a.csv", "d@x,D,Dd\nbroken\n", tables)
    assert (last.accepted, last.rejected) == (1, 1)
    assert _emails(storage) == ["b@x", "d@x"]
    assert _take_in(storage, "a.csv", "d@x,D,Dd\nbroken\n", tables).is_known


def test_tables_are_opened_anew_after_a_failure(local_storage: Storage) -> None:
    tables = OpenTables(local_storage, USERS)
    _take_in(local_storage, "a.csv", "a@x,A,Aa\n", tables)
    with tables.newest() as first:
        pass
    with pytest.raises(ZeroDivisionError), tables.newest() as again:
        1 / (again.rows_base is not first.rows_base)
    with tables.newest() as anew:
        assert anew.rows_base is not first.rows_base
        assert anew.rows_base.version() == first.rows_base.version()


def test_no_more_than_twenty_commits_follow_a_checkpoint(local_storage: Storage) -> None:
    tables = OpenTables(local_storage, USERS)
    for number in range(2 * _MOST_COMMITS + 5):
        _take_in(local_storage, "a.csv", f"{number}@x,A,Aa\n", tables, DAY + timedelta(days=number))
    log = Path(local_storage.uri) / "lake/users/_delta_log"
    commits = {int(file.stem) for file in log.glob("*.json")}
    checkpoints = {int(file.name.split(".")[0]) for file in log.glob("*.checkpoint.parquet")}
    assert commits >= set(range(2 * _MOST_COMMITS + 5)), "the log itself is kept"
    assert max(commits) - max(checkpoints) < _MOST_COMMITS
    assert len(_emails(local_storage)) == 2 * _MOST_COMMITS + 5
