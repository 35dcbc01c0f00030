"""Which rows a selection gives: filters, orders and pages, whose plans use the indexes that there are."""

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataflow_assets.ledger.event_days import read_day_counts
from dataflow_assets.postgres.connection import AdbcError, connect
from dataflow_assets.postgres.sql import execute
from dataflow_assets.serving.reading import rows as rows_module
from dataflow_assets.serving.reading import sessions as sessions_module
from dataflow_assets.serving.reading.cursors import read_cursor, write_cursor
from dataflow_assets.serving.reading.parameters import Selection, parse_parameters
from dataflow_assets.serving.reading.relations import ledger_relations
from dataflow_assets.serving.reading.rows import read_page, stream_rows
from dataflow_assets.serving.reading.sessions import Sessions
from dataflow_assets.serving.reading.statements import select_all
from dataflow_assets.serving.reading.windows import windows
from dataflow_assets.serving.refusals import UnusableError
from dataflow_assets_tests.serving.reading.builders import STREAMS_TABLE, load_rows, make_tables, relation_of, streams
from dataflow_assets_tests.warehouse.builders import DAY, READINGS, STREAMS, ask

SECRET = b"s" * 32
DAYS = [DAY + timedelta(days=number) for number in range(6)]
COUNTS = dict(zip(DAYS, [3, 40, 1, 25, 60, 7], strict=True))
# The tables of days, and those around each, that a session has locked.
LOCKED_DAYS = (
    "FROM pg_locks WHERE pid = pg_backend_pid() AND relation IN "
    "(SELECT oid FROM pg_class WHERE relnamespace = 'warehouse_days'::regnamespace AND relkind IN ('r', 'p'))"
)
Given = list[tuple[str, str]]
SOME = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture(scope="module")
def url(module_database_url: str) -> str:
    """Some days of sessions."""
    for day, count in COUNTS.items():
        load_rows(module_database_url, STREAMS, streams(count, day))
    make_tables(module_database_url, READINGS)
    return module_database_url


@pytest.fixture(scope="module")
def sessions(url: str) -> Sessions:
    return Sessions(url)


def dicts(batches: Sequence[pa.RecordBatch]) -> list[dict[str, Any]]:
    return [row for batch in batches for row in batch.to_pylist()]


def all_pages(sessions: Sessions, given: Given, limit: int) -> list[dict[str, Any]]:
    """The rows of every page, followed to the end."""
    found: list[dict[str, Any]] = []
    cursor: Given = []
    while True:
        page = read_page(sessions, selected([*given, ("limit", str(limit)), *cursor]), "UTC", SECRET)
        of_page = dicts(page.batches)
        found += of_page
        if page.next_cursor is None:
            return found
        assert len(of_page) == limit
        cursor = [("cursor", page.next_cursor)]


def selected(given: Given) -> Selection:
    return parse_parameters(STREAMS_TABLE, [("columns", "id,event_day,movie_title,size_mb,start_at"), *given])


def streamed(sessions: Sessions, given: Given) -> list[dict[str, Any]]:
    return dicts(list(stream_rows(sessions, selected(given), "UTC")))


def by_key(row: dict[str, Any]) -> tuple[date, str]:
    return row["event_day"], row["id"]


@pytest.mark.parametrize("limit", [1, 7, 40, 1000])
@pytest.mark.parametrize("order", ["event_day,id", "-event_day,-id", "start_at", "-start_at"])
def test_pages_together_are_all_rows_once_and_in_order(sessions: Sessions, limit: int, order: str) -> None:
    found = all_pages(sessions, [("order", order)], limit)
    everything = sorted(streamed(sessions, []), key=by_key)
    assert sorted(found, key=by_key) == everything
    first = order.partition(",")[0].removeprefix("-")
    values = [row[first] for row in found]
    assert values == sorted(values, reverse=order.startswith("-"))
    if order == "event_day,id":
        assert found == everything


PARTS = st.sampled_from(["size_mb", "movie_title", "user_email", "end_at", "event_day", "position", "id"])
ORDERS = st.lists(st.tuples(st.booleans(), PARTS), min_size=1, max_size=3, unique_by=lambda part: part[1])
FILTERS: st.SearchStrategy[Given] = st.sampled_from(
    [
        [],
        [("event_day.gte", str(DAYS[1])), ("event_day.lt", str(DAYS[4]))],
        [("event_day.in", str(DAYS[0])), ("event_day.in", str(DAYS[4]))],
        [("start_at.gte", f"{DAYS[3]}T00:00:00.010Z")],
        [("end_at.lt", f"{DAYS[3]}T01:00:00Z")],
        [("movie_title.in", "Movie 3"), ("movie_title.in", "Movie 5")],
        [("size_mb.lt", "2.5"), ("event_day", str(DAYS[4]))],
        [("movie_title", "none")],
    ]
)


@SOME
@given(order=ORDERS, filters=FILTERS, limit=st.integers(1, 60))
def test_pages_of_any_order_and_filter_are_the_rows_of_the_stream(
    sessions: Sessions, order: list[tuple[bool, str]], filters: Given, limit: int
) -> None:
    ordered = [("order", ",".join(f"{'-' if down else ''}{name}" for down, name in order)), *filters]
    assert all_pages(sessions, ordered, limit) == streamed(sessions, ordered)


def test_pages_go_over_nulls(url: str, sessions: Sessions) -> None:
    moment = datetime.fromisoformat(f"{DAY}T07:00:00Z")
    types = READINGS.schema.create_empty().schema
    values = [None, "b", None, "a", "b", None, "c"]
    rows = [
        {**dict.fromkeys(types), "number": number, "taken_at": moment, "sent_at": moment, "text": text, "middle": 1}
        for number, text in enumerate(values)
    ]
    load_rows(url, READINGS, rows)
    for order, expected in (
        ("text,number", ["a", "b", "b", "c", None, None, None]),
        ("-text,number", ["c", "b", "b", "a", None, None, None]),
        ("middle,-text,number", ["c", "b", "b", "a", None, None, None]),
    ):
        found: list[Any] = []
        cursor: str | None = None
        while True:
            given = [("order", order), ("limit", "2"), *([("cursor", cursor)] if cursor else [])]
            page = read_page(sessions, parse_parameters(relation_of(READINGS), given), "UTC", SECRET)
            found += [row["text"] for row in dicts(page.batches)]
            if (cursor := page.next_cursor) is None:
                break
        assert found == expected


def test_a_cursor_goes_on_with_nothing_but_its_own_question(sessions: Sessions) -> None:
    cursor = read_page(sessions, selected([("limit", "2")]), "UTC", SECRET).next_cursor
    assert cursor
    for other in (
        [("order", "size_mb")],
        [("movie_title", "Movie 1")],
        [("order", "-event_day,-id")],
    ):
        with pytest.raises(UnusableError, match="is not one of these filters and this order"):
            read_page(sessions, selected([*other, ("limit", "2"), ("cursor", cursor)]), "UTC", SECRET)
    more = selected([("limit", "7"), ("columns", "position"), ("cursor", cursor)])
    assert len(dicts(read_page(sessions, more, "UTC", SECRET).batches)) == 7


@pytest.mark.parametrize("cursor", ["", "x", "null", "WyJhIl0", "\udcff", "W10", "e30", "W1tbW1tb" * 5000, "é"])
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(UnusableError, match="take it from the link"):
        read_cursor(selected([("limit", "2"), ("cursor", cursor)]), SECRET)


@given(values=st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"])), max_size=4))
def test_a_cursor_holds_any_texts(values: list[str | None]) -> None:
    written = write_cursor(selected([("limit", "2")]), values, SECRET)
    assert re.fullmatch("[A-Za-z0-9_-]+", written)
    assert read_cursor(selected([("limit", "2"), ("cursor", written)]), SECRET) == values


@given(counts=st.lists(st.integers(1, 60), max_size=40), most=st.integers(1, 100))
def test_windows_cover_every_day_once_and_hold_few_rows_or_one_day(counts: list[int], most: int) -> None:
    days = [(DAY + timedelta(days=number), count) for number, count in enumerate(counts)]
    for ordered in (days, days[::-1]):
        found = list(windows(ordered, most))
        covered = [day for first, last in found for day, _ in days if first <= day <= last]
        assert sorted(covered) == [day for day, _ in days]
        starts = [first for first, _ in found]
        assert starts == sorted(starts, reverse=ordered is not days)
        for number, (first, last) in enumerate(found):
            rows = sum(count for day, count in days if first <= day <= last)
            assert rows <= most * 2**number or first == last


class Plans:
    """The statements of a page that were run, with their plans."""

    def __init__(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.texts: list[str] = []
        read = rows_module._read

        def noted(connection: Any, statement: str) -> pa.Table:
            with connect(url) as other:
                self.texts.append("\n".join(line for (line,) in execute(other, f"EXPLAIN {statement}")))
            return read(connection, statement)

        monkeypatch.setattr(rows_module, "_read", noted)


@pytest.fixture
def plans(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Plans:
    """Of a database with one day of many rows."""
    load_rows(database_url, STREAMS, streams(20))
    load_rows(database_url, STREAMS, streams(30_000, DAYS[1]))
    return Plans(database_url, monkeypatch)


def test_a_page_within_a_day_uses_its_index_and_sorts_nothing(database_url: str, plans: Plans) -> None:
    sessions = Sessions(database_url)
    given = [("limit", "100"), ("event_day.gte", str(DAYS[1]))]
    page = read_page(sessions, selected(given), "UTC", SECRET)
    for _ in range(3):
        assert page.next_cursor
        page = read_page(sessions, selected([*given, ("cursor", page.next_cursor)]), "UTC", SECRET)
    assert len(plans.texts) == 4
    for plan in plans.texts:
        assert "Sort" not in plan, plan
        assert re.search(r"Index Scan using \"?streams_20211106\w+_pkey", plan), plan
    assert all("Index Cond: (id > " in plan for plan in plans.texts[1:])


def test_a_page_that_goes_on_to_the_next_day_sorts_no_large_one(database_url: str, plans: Plans) -> None:
    read_page(Sessions(database_url), selected([("limit", "100")]), "UTC", SECRET)
    assert ["Sort" in plan for plan in plans.texts] == [True, False], plans.texts


def test_a_statement_locks_the_days_that_it_is_about_and_no_others(url: str) -> None:
    selection = selected([("start_at.gte", f"{DAYS[3]}T00:00:00Z"), ("start_at.lt", f"{DAYS[4]}T00:00:00Z")])
    with connect(url) as connection:
        execute(connection, f"EXPLAIN {select_all(selection, 'UTC')}")
        locked = execute(connection, f"SELECT relation::regclass::text {LOCKED_DAYS}")
    assert {name.replace('"', "")[: len("warehouse_days.streams_20211108")] for (name,) in locked} == {
        f"warehouse_days.streams_{DAYS[3]:%Y%m%d}"
    }


def test_rejects_come_in_pages_though_they_have_no_key(database_url: str) -> None:
    ask(
        database_url,
        "INSERT INTO ledger.rejects (source, day, object, delivery, code, message, raw) "
        "SELECT 'streams', '2021-11-05', 'o', 1, 'c', 'm', 'r' || n FROM generate_series(1, 25) AS n",
    )
    [_, rejects] = ledger_relations()
    found: list[str] = []
    cursor: Given = []
    while True:
        page = read_page(Sessions(database_url), parse_parameters(rejects, [("limit", "10"), *cursor]), "UTC", SECRET)
        found += [row["raw"] for row in dicts(page.batches)]
        if page.next_cursor is None:
            break
        cursor = [("cursor", page.next_cursor)]
    assert found == [f"r{number}" for number in range(1, 26)]


def test_a_session_changes_nothing_and_plans_for_each_value_anew(url: str) -> None:
    sessions = Sessions(url)
    for _ in range(15):  # a generic plan would come at the sixth
        with sessions.take() as session:
            assert execute(session, "SHOW plan_cache_mode") == [("force_custom_plan",)]
            assert execute(session, "SHOW transaction_read_only") == [("on",)]
            days = execute(session, "SELECT count(*) FROM warehouse.streams WHERE event_day = $1", DAYS[1])
            assert days == [(COUNTS[DAYS[1]],)]
            assert execute(session, f"SELECT count(*) {LOCKED_DAYS}") == [(2,)]
    with pytest.raises(AdbcError, match="read-only transaction"), sessions.take() as session:
        execute(session, "CREATE TABLE warehouse.x ()")


def test_a_session_is_replaced_when_the_server_ended_it(url: str) -> None:
    sessions = Sessions(url)
    with sessions.take() as session:
        [(pid,)] = execute(session, "SELECT pg_backend_pid()")
    ask(url, "SELECT pg_terminate_backend(%s, 60000)", pid)
    with sessions.take() as session:
        assert execute(session, "SELECT pg_backend_pid() <> $1::int", pid) == [(True,)]


def test_day_counts_are_those_of_the_ledger(url: str) -> None:
    with connect(url) as connection:
        assert read_day_counts(connection, STREAMS, date.min, date.max) == list(COUNTS.items())


def test_a_reader_sees_a_day_before_or_after_its_swap_and_never_between(database_url: str) -> None:
    load_rows(database_url, STREAMS, streams(30))
    sessions = Sessions(database_url)
    given = [("event_day", str(DAY)), ("limit", "1000")]

    def swap() -> None:
        for number in range(10):
            load_rows(database_url, STREAMS, streams(50 if number % 2 else 30))

    with ThreadPoolExecutor(1) as pool:
        swapping = pool.submit(swap)
        seen = set()
        while not swapping.done():
            seen.add(len(dicts(read_page(sessions, selected(given), "UTC", SECRET).batches)))
            seen.add(len(streamed(sessions, given[:1])))
        swapping.result()
    assert seen <= {30, 50}
    assert seen


HOSTILE = ["\\", "\\'; DROP TABLE ledger.lake; --", "'", '"', "%s $1 {x}", "\u2028é", "a\nb", "x" * 10_000]


def test_a_text_is_a_value_whatever_it_holds_and_the_database_sets(database_url: str) -> None:
    name = database_url.rsplit("/", 1)[1]
    for setting in ("standard_conforming_strings = off", "datestyle = 'German'", "timezone = 'Asia/Kolkata'"):
        ask(database_url, f'ALTER DATABASE "{name}" SET {setting}')
    load_rows(database_url, STREAMS, streams(8).with_columns(movie_title=pl.Series(HOSTILE)))
    sessions = Sessions(database_url)
    for text in HOSTILE:
        [found] = streamed(sessions, [("movie_title", text)])
        assert found["movie_title"] == text
    pages = all_pages(sessions, [("order", "movie_title,end_at")], 1)
    assert sorted(row["movie_title"] for row in pages) == sorted(HOSTILE)


def test_rows_that_take_too_long_are_refused_with_what_to_do(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions_module, "_BEGIN", sessions_module._BEGIN.replace("'120s'", "'1ms'"))
    slow = selected([("order", "user_email")])
    pages = selected([("order", "user_email"), ("limit", "10")])
    monkeypatch.setattr(rows_module, "select_all", lambda *_: "SELECT pg_sleep(5)")
    monkeypatch.setattr(rows_module, "select_page", lambda *_, **__: "SELECT pg_sleep(5)")
    with pytest.raises(UnusableError, match=r"were not read within 120 seconds: ask for fewer days"):
        list(stream_rows(Sessions(url), slow, "UTC"))
    with pytest.raises(UnusableError, match=r"were not read within 120 seconds: ask for fewer days"):
        read_page(Sessions(url), pages, "UTC", SECRET)


def test_a_cursor_that_was_made_up_is_refused(sessions: Sessions) -> None:
    made_up = write_cursor(selected([("limit", "2")]), ["2021-11-06", "not an id"], b"another secret")
    with pytest.raises(UnusableError, match="take it from the link"):
        read_page(sessions, selected([("limit", "2"), ("cursor", made_up)]), "UTC", SECRET)
