import json
import multiprocessing
import multiprocessing.synchronize
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path

import dataframely as dy
import obstore
import polars as pl
import pytest
from deltalake import DeltaTable, QueryBuilder

from dataflow_assets.errors import SchemaMismatchError
from dataflow_assets.lake.delta.commit import discard_staged
from dataflow_assets.lake.delta.table import LakeTable, rejects_table, rows_table
from dataflow_assets.lake.ingest import ingest
from dataflow_assets.landing.storage import Storage, open_storage
from dataflow_assets.settings import load_settings
from dataflow_assets.sources import all_sources, find_source
from dataflow_assets.sources.base import Events, Source
from dataflow_assets.sources.formats import Csv
from dataflow_assets_tests.landing.stores import FIRST_DAY, land

USERS = find_source("users")
HEAD = "email,first_name,last_name\n"


def _take_in(storage: Storage, name: str, content: str) -> int:
    taken = ingest(storage, USERS, land(storage, USERS, name, HEAD + content).object, "UTC", first_day=FIRST_DAY)
    assert taken is not None
    return taken.version


def _emails(storage: Storage, version: int | None = None) -> list[str]:
    return sorted(rows_table(storage, USERS).scan(version).collect()["email"])


@pytest.mark.parametrize("source", all_sources(), ids=lambda source: source.name)
def test_a_new_table_is_empty_and_typed(local_storage: Storage, source: Source) -> None:
    table = rows_table(local_storage, source)
    rows = table.scan().collect()
    assert (rows.height, rows.schema) == (0, table.schema)
    assert table.open().version() == 0


def test_types_come_back_from_storage(storage: Storage) -> None:
    content = (
        "movie_title,user_email,size_mb,start_at,end_at\nA,a@x,1,2021-12-01T00:00:00.123456Z,2021-12-01T01:00:00Z\n"
    )
    streams = find_source("streams")
    ingest(storage, streams, land(storage, streams, "a.csv", content).object, "UTC", first_day=FIRST_DAY)
    rows = rows_table(storage, streams).scan().collect()
    assert (rows.height, rows.schema) == (1, rows_table(storage, streams).schema)
    assert rows["start_at"].item().microsecond == 123456


def test_an_older_version_can_be_read(storage: Storage) -> None:
    first = _take_in(storage, "a.csv", "a@x,A,Aa\n")
    second = _take_in(storage, "b.csv", "b@x,B,Bb\n")
    third = _take_in(storage, "a.csv", "c@x,C,Cc\n")
    versions = [_emails(storage, version) for version in (0, first, second, third)]
    assert versions == [[], ["a@x"], ["a@x", "b@x"], ["b@x", "c@x"]]
    assert _emails(storage) == versions[-1]


def test_a_scan_reads_the_version_it_was_made_of(storage: Storage) -> None:
    _take_in(storage, "a.csv", "a@x,A,Aa\n")
    frame = rows_table(storage, USERS).scan()
    _take_in(storage, "a.csv", "b@x,B,Bb\n")
    assert frame.collect()["email"].to_list() == ["a@x"]


def test_a_scan_of_dates_reads_the_files_of_these_dates_alone(storage: Storage) -> None:
    streams = find_source("streams")
    times = (
        "1,2021-12-01T23:59:59.999Z,2021-12-02T01:00:00Z",
        "2,2021-12-02T00:00:00Z,2021-12-02T01:00:00Z",
        "3,2021-12-05T12:00:00Z,2021-12-05T13:00:00Z",
    )
    for name in "ab":
        lines = "".join(f"A,{name}@x,{session}\n" for session in times)
        content = f"movie_title,user_email,size_mb,start_at,end_at\n{lines}"
        key = land(storage, streams, f"{name}.csv", content, date(2021, 12, 6)).object
        ingest(storage, streams, key, "UTC", first_day=FIRST_DAY)
    table = rows_table(storage, streams)

    def sizes(first: int, last: int, *predicates: pl.Expr) -> list[tuple[str, float]]:
        dates = date(2021, 12, first), date(2021, 12, last)
        return (
            table.scan(dates=dates).filter(*predicates).select("user_email", "size_mb").sort(pl.all()).collect().rows()
        )

    opened = table.open()
    of_first = opened.of_dates(date(2021, 12, 1), date(2021, 12, 1))
    # As Polars asks for them, which does so again in each scan.
    asked = [of_first.file_uris(), of_first.get_add_actions()["path"].to_list(), of_first._table.get_add_file_sizes()]
    assert [len(of_files) for of_files in (*asked, opened.file_uris())] == [2, 2, 2, 6]
    assert sorted(asked[1]) == sorted(asked[2])
    assert all("event_date=2021-12-01" in path for path in asked[2])
    both = [("a@x", 1), ("a@x", 2), ("b@x", 1), ("b@x", 2)]
    assert sizes(1, 4) == both
    assert sizes(2, 5, pl.col("user_email") == "b@x", pl.col("size_mb") > 1) == [("b@x", 2), ("b@x", 3)]
    assert sizes(3, 4) == []
    assert table.scan(dates=(date(2021, 12, 3), date(2021, 12, 4))).collect().schema == table.schema
    first, second = (table.scan(dates=(date(2021, 12, day), date(2021, 12, day))) for day in (1, 2))
    assert pl.concat([first, second]).select("user_email", "size_mb").sort(pl.all()).collect().rows() == both


def _metadata(table: LakeTable, version: int) -> dict[str, object]:
    """What the log says of a commit, for any reader of Delta Lake."""
    entry = bytes(obstore.get(table.storage.store, f"lake/{table.name}/_delta_log/{version:020}.json").bytes())
    (about,) = (action["commitInfo"] for action in map(json.loads, entry.splitlines()) if "commitInfo" in action)
    assert isinstance(about, dict)
    return about


def test_a_commit_says_what_it_holds(storage: Storage) -> None:
    delivery = land(storage, USERS, "a.csv", HEAD + "a@x,A,Aa\nno,B,Bb\nc@x,C,Cc\n")
    ingest(storage, USERS, delivery.object, "UTC", first_day=FIRST_DAY)
    about = {
        "object": delivery.object,
        "etag": delivery.etag,
        "size": str(delivery.size),
        "delivered": "3",
        "accepted": "2",
        "rejected": "1",
    }
    for table in (rows_table(storage, USERS), rejects_table(storage)):
        assert about.items() <= _metadata(table, 1).items()


def test_other_readers_of_delta_lake_see_the_same_rows(local_storage: Storage) -> None:
    """DataFusion shares nothing with our reader but the files and the log."""
    _take_in(local_storage, "a.csv", "a@x,A,Aa\nb@x,B,Bb\n")
    _take_in(local_storage, "b.csv", "b@x,B,Bb\n")
    _take_in(local_storage, "a.csv", "c@x,C,Cc\n")
    table = rows_table(local_storage, USERS)
    found = QueryBuilder().register("users", DeltaTable(table.uri)).execute("SELECT * FROM users")
    rows = pl.DataFrame(found.read_all()).select(table.schema.names())
    assert rows.sort("email").rows() == table.scan().sort("email").collect().rows()
    assert rows.height == 2


def test_the_delivery_days_that_changed_between_two_versions_are_known(local_storage: Storage) -> None:
    table = rows_table(local_storage, USERS)
    for day in (1, 2, 3):
        delivery = land(local_storage, USERS, "a.csv", HEAD + "a@x,A,Aa\n", date(2021, 12, day))
        ingest(local_storage, USERS, delivery.object, "UTC", first_day=FIRST_DAY)
    assert table.changed_days(0, 2) == {date(2021, 12, 1), date(2021, 12, 2)}
    ingest(
        local_storage,
        USERS,
        land(local_storage, USERS, "a.csv", "", date(2021, 12, 2)).object,
        "UTC",
        first_day=FIRST_DAY,
    )
    assert table.changed_days(3, 4) == {date(2021, 12, 2)}
    assert table.changed_days(4, 4) == set()


def test_a_checkpoint_forgets_nothing(storage: Storage) -> None:
    _take_in(storage, "a.csv", "a@x,A,Aa\n")
    _take_in(storage, "b.csv", "b@x,B,Bb\n")
    for table in (rows_table(storage, USERS), rejects_table(storage)):
        table.open().create_checkpoint()
    _take_in(storage, "a.csv", "c@x,C,Cc\n")
    assert _emails(storage) == ["b@x", "c@x"]


def test_nothing_to_discard_is_no_work(local_storage: Storage) -> None:
    table = rows_table(local_storage, USERS)
    discard_staged(table, [])
    assert not (Path(local_storage.uri) / "lake").exists()


# another declaration


class Wider(USERS.schema):  # type: ignore[name-defined,misc]
    age = dy.Int64(nullable=True)


WIDER = replace(USERS, schema=Wider)


def test_a_new_column_is_null_in_rows_from_before_and_filled_by_the_next_reading(storage: Storage) -> None:
    content = "age,first_name,last_name,email\n7,A,Aa,a@x\n"
    objects = [land(storage, USERS, name, content).object for name in ("a.csv", "b.csv")]
    for key in objects:
        ingest(storage, USERS, key, "UTC", first_day=FIRST_DAY)
    ages = rows_table(storage, WIDER).scan().sort("object")
    assert ages.collect().schema == rows_table(storage, WIDER).schema
    assert ages.collect()["age"].to_list() == [None, None]
    taken = ingest(storage, WIDER, objects[1], "UTC", first_day=FIRST_DAY)
    assert taken
    assert (taken.undeclared_columns, taken.version) == ((), 4)
    table = rows_table(storage, WIDER)
    for version, found in {None: [None, 7], 3: [None, None], 1: [None]}.items():
        assert table.scan(version).sort("object").collect()["age"].to_list() == found
    assert table.scan().filter(pl.col("age") == 7).select(pl.len()).collect().item() == 1
    assert _emails(storage) == ["a@x", "a@x"], "a program that does not know the column reads on"


def test_a_column_that_is_no_longer_declared_is_not_read(storage: Storage) -> None:
    key = land(storage, USERS, "a.csv", "email,first_name,last_name,age\na@x,A,Aa,7\n").object
    ingest(storage, WIDER, key, "UTC", first_day=FIRST_DAY)
    _take_in(storage, "b.csv", "b@x,B,Bb\n")
    assert rows_table(storage, USERS).scan().collect().schema == rows_table(storage, USERS).schema
    assert _emails(storage) == ["a@x", "b@x"]
    assert rows_table(storage, WIDER).scan().sort("email").collect()["age"].to_list() == [7, None]


def test_columns_in_another_order_are_the_same_table(storage: Storage) -> None:
    _take_in(storage, "a.csv", "a@x,A,Aa\n")
    columns = dict(reversed(USERS.schema.columns().items()))
    other = replace(USERS, schema=type("Other", (dy.Schema,), columns))
    ingest(storage, other, land(storage, USERS, "b.csv", HEAD + "b@x,B,Bb\n").object, "UTC", first_day=FIRST_DAY)
    rows = rows_table(storage, other).scan().sort("email").collect()
    assert rows.columns[:3] == ["last_name", "first_name", "email"]
    assert rows.select(USERS.schema.column_names()).rows() == [("a@x", "A", "Aa"), ("b@x", "B", "Bb")]
    assert rows_table(storage, USERS).open().version() == 2


def test_a_new_column_that_many_bring_at_once_comes_in_with_all_their_rows(storage: Storage) -> None:
    _take_in(storage, "z.csv", "z@x,Z,Zz\n")
    keys = [land(storage, USERS, f"{name}.csv", f"email,age\n{name}@x,7\n").object for name in "abcd"]
    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(lambda key: ingest(storage, WIDER, key, "UTC", first_day=FIRST_DAY), keys))
    assert all(taken)
    rows = rows_table(storage, WIDER).scan().sort("email").collect()
    assert rows.select("email", "age").rows() == [*((f"{name}@x", 7) for name in "abcd"), ("z@x", None)]


ORDERS = Events(
    name="orders",
    singular="order",
    description="Made up.",
    owner="team:tests",
    schema=type("Orders", (dy.Schema,), {name: dy.Datetime(time_zone="UTC") for name in ("placed_at", "paid_at")}),
    reader=Csv(),
    key=("placed_at", "paid_at"),
    event_time="placed_at",
)
BY_PAYMENT = replace(ORDERS, event_time="paid_at")


def _take_order(storage: Storage, source: Source, name: str = "a.csv") -> None:
    content = "placed_at,paid_at\n2021-12-01T10:00:00Z,2021-12-03T10:00:00Z\n"
    delivery = land(storage, source, name, content, date(2021, 12, 3))
    assert ingest(storage, source, delivery.object, "UTC", first_day=FIRST_DAY)


def test_a_table_with_the_dates_of_another_event_time_is_neither_read_nor_written(storage: Storage) -> None:
    _take_order(storage, ORDERS)
    ours, other = rows_table(storage, ORDERS), rows_table(storage, BY_PAYMENT)
    said = r"orders holds each event by the date of placed_at, and .* its event time is paid_at now.*change-a-source"
    for act in (other.scan, other.require_declared, lambda: _take_order(storage, BY_PAYMENT, "b.csv")):
        with pytest.raises(SchemaMismatchError, match=said):
            act()
    with pytest.raises(SchemaMismatchError, match=said):
        other.scan(dates=(FIRST_DAY, FIRST_DAY))
    assert (ours.open().version(), ours.scan().collect().height) == (1, 1)
    ours.require_declared()


def test_an_empty_table_takes_the_event_time_that_is_declared(storage: Storage) -> None:
    assert rows_table(storage, ORDERS).scan().collect().is_empty()
    _take_order(storage, BY_PAYMENT)
    assert rows_table(storage, BY_PAYMENT).scan().collect()["event_date"].to_list() == [date(2021, 12, 3)]
    with pytest.raises(SchemaMismatchError, match="by the date of paid_at"):
        rows_table(storage, ORDERS).scan()


def test_a_table_from_before_that_names_no_event_time_has_that_of_the_first_who_writes(storage: Storage) -> None:
    table = rows_table(storage, ORDERS)
    replace(table, event_time=None).open()
    _take_order(storage, ORDERS)
    table.require_declared()
    with pytest.raises(SchemaMismatchError, match="by the date of placed_at"):
        rows_table(storage, BY_PAYMENT).scan()


def test_nothing_is_asked_of_a_table_that_is_not_there(local_storage: Storage) -> None:
    table = rows_table(local_storage, ORDERS)
    table.require_declared()
    assert not table.is_made()


# making a table


def _made_versions(storage: Storage, name: str) -> list[str]:
    found = (meta["path"] for page in obstore.list(storage.store, f"lake/{name}/_delta_log/") for meta in page)
    return [path.rsplit("/", 1)[1] for path in found]


@pytest.mark.parametrize("name", ["users", "books", "movies"])
def test_a_table_that_is_made_many_times_at_once_is_made_once(storage: Storage, name: str) -> None:
    barrier = threading.Barrier(6)

    def open_table(_: int) -> tuple[int, str]:
        table = rows_table(storage, find_source(name))
        barrier.wait()
        opened = table.open()
        return opened.version(), str(opened.metadata().id)

    with ThreadPoolExecutor(6) as pool:
        ((version, _),) = set(pool.map(open_table, range(6)))
    assert version == 0
    assert _made_versions(storage, name) == [f"{0:020}.json"]


def test_who_comes_late_to_making_a_table_finds_it_made(storage: Storage) -> None:
    table = rows_table(storage, USERS)
    made = table.open().metadata().id
    table._create()
    assert table.open().metadata().id == made


def _open_all(barrier: multiprocessing.synchronize.Barrier, answers: "multiprocessing.Queue[list[int] | str]") -> None:
    """In a process of its own: open the table of each source, all processes at the same time."""
    try:
        storage = open_storage(load_settings())
        versions = []
        for source in all_sources():
            table: LakeTable = rows_table(storage, source)
            barrier.wait(300)
            versions.append(table.open().version())
        answers.put(versions)
    except BaseException as error:
        answers.put(repr(error))


def test_two_processes_may_make_a_table_at_once(local_storage: Storage) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(2), context.Queue()
    processes = [context.Process(target=_open_all, args=(barrier, answers)) for _ in range(2)]
    for process in processes:
        process.start()
    assert [answers.get(timeout=300) for _ in processes] == [[0] * 6] * 2
    for process in processes:
        process.join()
