"""IngestConfig objects into the lake: replaced whole, nothing lost, whatever happens in between."""

import io
import os
import threading
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import dataframely as dy
import obstore
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataflow_assets.errors import ConflictError, SchemaMismatchError
from dataflow_assets.lake import ingest as ingesting
from dataflow_assets.lake import staging
from dataflow_assets.lake.delta.commit import commit_deliveries
from dataflow_assets.lake.delta.table import LakeTable, read_rejects, rows_table
from dataflow_assets.lake.ingest import Intake, ingest, recorded_intakes
from dataflow_assets.lake.readers.csv import reader as csv
from dataflow_assets.landing.deliveries import Delivery, Landing
from dataflow_assets.landing.storage import Storage
from dataflow_assets.settings import load_settings
from dataflow_assets.sources import find_source
from dataflow_assets.sources.base import Events, Snapshot, Source
from dataflow_assets.sources.formats import Csv
from dataflow_assets_tests.lake.conftest import Reference
from dataflow_assets_tests.landing.stores import DAY, FIRST_DAY, land

USERS, STREAMS, BOOKS = find_source("users"), find_source("streams"), find_source("books")
HEAD = "email,first_name,last_name\n"
LATER = date(2021, 12, 31)  # than all events here


def _take_in(
    storage: Storage, source: Source, delivery: Delivery, timezone: str = "UTC", recorded_version: int = 0, **how: Any
) -> Intake:
    taken = ingest(
        storage, source, delivery.object, timezone, recorded_version, first_day=FIRST_DAY, run="of a test", **how
    )
    assert taken is not None
    assert taken.delivered == taken.accepted + taken.rejected
    return taken


def _users(storage: Storage, name: str, content: str) -> Intake:
    return _take_in(storage, USERS, land(storage, USERS, name, HEAD + content))


def _streams(*starts: str) -> str:
    rows = "".join(f"Heat,a@x,1,{start}:00:00Z,{start}:59:00Z\n" for start in starts)
    return "movie_title,user_email,size_mb,start_at,end_at\n" + rows


def _take_streams(
    storage: Storage, name: str, *starts: str, timezone: str = "UTC", recorded_version: int = 0
) -> set[str]:
    taken = _take_in(
        storage, STREAMS, land(storage, STREAMS, name, _streams(*starts), LATER), timezone, recorded_version
    )
    return {day.isoformat() for day in taken.event_days}


def _emails(storage: Storage, source: Source = USERS) -> list[str]:
    return sorted(rows_table(storage, source).scan().collect()["email"])


def _codes(storage: Storage) -> list[tuple[str, str]]:
    return [(reject["object"].rsplit("/", 1)[1], reject["code"]) for reject in read_rejects(storage, None)]


def _files(storage: Storage, table: str) -> list[str]:
    """The data files that lie in a table's folder, committed or not."""
    found = (meta["path"] for page in obstore.list(storage.store, f"lake/{table}/") for meta in page)
    return [path for path in found if path.endswith(".parquet") and "_delta_log" not in path]


# what is taken in


def test_rows_come_in_with_their_origin(storage: Storage) -> None:
    delivery = land(storage, USERS, "a file.csv", HEAD + "a@x,A,Aa\nno,B,Bb\nc@x,C,Cc\n", date(2021, 12, 5))
    _take_in(storage, USERS, delivery)
    rows = rows_table(storage, USERS).scan().sort("position").collect()
    assert rows.rows() == [
        ("a@x", "A", "Aa", 0, delivery.object, date(2021, 12, 5), delivery.id),
        ("c@x", "C", "Cc", 2, delivery.object, date(2021, 12, 5), delivery.id),
    ]


def test_an_event_has_its_utc_date(local_storage: Storage) -> None:
    _take_streams(local_storage, "a.csv", "2021-12-01T23", "2021-12-02T00", timezone="Asia/Tokyo")
    rows = rows_table(local_storage, STREAMS).scan().sort("start_at").collect()
    assert rows["event_date"].to_list() == [date(2021, 12, 1), date(2021, 12, 2)]


def test_rejects_keep_text_place_and_reason(local_storage: Storage) -> None:
    delivery = land(local_storage, USERS, "a.csv", HEAD + 'a@x,A,Aa\nno,"B\nB",Bb\nc@x\n')
    taken = _take_in(local_storage, USERS, delivery)
    assert (taken.delivered, taken.accepted, taken.rejected, taken.refusal) == (3, 1, 2, None)
    common = {"source": "users", "delivery_day": DAY, "object": delivery.object, "run": "of a test"}
    form, ragged = (
        "email does not have the declared form.",
        "the line cannot be read: it has fewer values than the file has columns.",
    )
    assert read_rejects(local_storage, "users") == [
        {**common, "line": 3, "code": "email.regex", "message": form, "raw": 'no,"B\nB",Bb'},
        {**common, "line": 5, "code": "csv.missing_columns", "message": ragged, "raw": "c@x"},
    ]


def test_rejects_of_one_source_can_be_asked_for(local_storage: Storage) -> None:
    _users(local_storage, "users.csv", "no,B,Bb\n")
    _take_in(local_storage, BOOKS, land(local_storage, BOOKS, "books.json", "[{}]"))
    assert [reject["source"] for reject in read_rejects(local_storage, None)] == ["books", "users"]
    assert [reject["code"] for reject in read_rejects(local_storage, "books")] == ["title.nullability"]


def test_an_intake_says_what_it_did(local_storage: Storage) -> None:
    delivery = land(local_storage, USERS, "a.csv", HEAD + "a@x,A,Aa\nno,B,Bb\n")
    taken = ingest(local_storage, USERS, delivery.object, "UTC", first_day=FIRST_DAY)
    assert taken == Intake(delivery=delivery, version=1, delivered=2, accepted=1, rejected=1)


def test_a_large_file_is_staged_piece_by_piece(local_storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "_STAGE_ROWS", 1)
    monkeypatch.setattr(csv, "_LARGEST_PART", 1 << 20)
    taken = _users(local_storage, "a.csv", "".join(f"{number}@x,A,Aa\n" for number in range(500_000)))
    assert taken.accepted == rows_table(local_storage, USERS).scan().select(pl.len()).collect().item() == 500_000
    assert len(_files(local_storage, "users")) > 1


def test_the_reference_data_is_taken_in(local_storage: Storage, reference: Reference) -> None:
    source, file, accepted, rejected = reference
    taken = _take_in(local_storage, source, Landing(local_storage).put(source.name, LATER, file))
    assert (taken.accepted, taken.rejected) == (accepted, rejected)
    assert rows_table(local_storage, source).scan().select(pl.len()).collect().item() == accepted


@pytest.mark.parametrize(
    "name", ["with space.csv", "a+b&c=d.csv", "100%.csv", "a%20b.csv", "Zoë 日本 🎬.csv", "a/b?.csv"]
)
def test_an_object_of_any_name_is_taken_in_and_replaced(storage: Storage, name: str) -> None:
    key = _users(storage, name, "a@x,A,Aa\nno,B,Bb\n").delivery.object
    _users(storage, name, "b@x,B,Bb\nno,B,Bb\n")
    assert rows_table(storage, USERS).scan().collect().select("email", "object").rows() == [("b@x", key)]
    assert [reject["object"] for reject in read_rejects(storage, None)] == [key]


def test_an_intake_says_which_version_of_the_store_it_read(s3_storage: Storage) -> None:
    place = f"{load_settings().aws_endpoint_url}/{s3_storage.uri.removeprefix('s3://')}?versioning"
    enabled = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    headers = {"Content-Type": "application/xml"}
    urllib.request.urlopen(urllib.request.Request(place, enabled, headers, method="PUT")).close()
    taken = [_users(s3_storage, "a.csv", f"{name}@x,A,Aa\n") for name in "ab"]
    versions = [one.delivery.version for one in taken]
    assert len(set(versions) - {None}) == 2
    assert [one.delivery for one in recorded_intakes(s3_storage, USERS, "UTC")] == [one.delivery for one in taken]
    assert [found.version for found in Landing(s3_storage).deliveries()] == [None], "a listing does not tell"


# replacing


def test_a_newer_version_replaces_rows_and_rejects(storage: Storage) -> None:
    _users(storage, "a.csv", "a@x,A,Aa\nb@x,B,Bb\nold,C,Cc\n")
    _users(storage, "a.csv", "b@x,B,Bb\nd@x\n")
    assert _emails(storage) == ["b@x"]
    assert _codes(storage) == [("a.csv", "csv.missing_columns")]


def test_other_objects_are_left_alone(storage: Storage) -> None:
    _users(storage, "a.csv", "a@x,A,Aa\nno,A,Aa\n")
    other = _take_in(storage, USERS, land(storage, USERS, "a.csv", HEAD + "b@x,B,Bb\nno,B,Bb\n", date(2021, 12, 2)))
    _users(storage, "c.csv", "c@x,C,Cc\n")
    _users(storage, "a.csv", "d@x,D,Dd\n")
    assert _emails(storage) == ["b@x", "c@x", "d@x"]
    assert [reject["object"] for reject in read_rejects(storage, None)] == [other.delivery.object]


def test_taking_in_again_changes_nothing(local_storage: Storage) -> None:
    first = _users(local_storage, "a.csv", "a@x,A,Aa\nno,B,Bb\n")
    rows, rejects = rows_table(local_storage, USERS).scan().collect(), read_rejects(local_storage, None)
    again = _take_in(local_storage, USERS, first.delivery)
    assert rows_table(local_storage, USERS).scan().collect().equals(rows)
    assert read_rejects(local_storage, None) == rejects
    assert (again.delivered, again.accepted, again.rejected) == (2, 1, 1)


def test_an_empty_file_withdraws_the_older_rows(local_storage: Storage) -> None:
    _users(local_storage, "a.csv", "a@x,A,Aa\nno,B,Bb\n")
    taken = _take_in(local_storage, USERS, land(local_storage, USERS, "a.csv", ""))
    assert (taken.delivered, taken.refusal) == (0, None)
    assert (_emails(local_storage), _codes(local_storage)) == ([], [])


def test_a_refused_file_withdraws_the_older_rows_and_is_one_reject(storage: Storage) -> None:
    _users(storage, "a.csv", "a@x,A,Aa\nno,B,Bb\n")
    page = b"<html>\0\xff sorry</html>" + b" " * 2_000
    taken = _take_in(storage, USERS, land(storage, USERS, "a.csv", page))
    assert (taken.delivered, taken.accepted, taken.rejected) == (1, 0, 1)
    assert taken.refusal == (
        "a.csv is not a CSV file of users: its first line lacks the column email. "
        "It begins with '<html>\ufffd\ufffd sorry</html>', which looks like an HTML page."
    )
    assert _emails(storage) == []
    (reject,) = read_rejects(storage, None)
    assert (reject["line"], reject["code"], reject["message"]) == (None, "file.format", taken.refusal)
    assert reject["raw"].startswith("<html>\ufffd sorry</html>")
    assert len(reject["raw"]) < 1_000


def test_a_good_file_takes_the_place_of_a_refused_one(local_storage: Storage) -> None:
    _take_in(local_storage, USERS, land(local_storage, USERS, "a.csv", "sorry"))
    _users(local_storage, "a.csv", "a@x,A,Aa\n")
    assert (_emails(local_storage), _codes(local_storage)) == (["a@x"], [])


def test_a_file_that_breaks_late_leaves_no_rows(local_storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "_STAGE_ROWS", 1)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("a.csv", HEAD + "a@x,A,Aa\n" * 10)
        archive.writestr("b.csv", "sorry")
    taken = _take_in(local_storage, USERS, land(local_storage, USERS, "a.zip", content.getvalue()))
    assert (taken.delivered, taken.accepted, taken.rejected) == (1, 0, 1)
    assert _files(local_storage, "users") == []


def test_deleting_an_object_changes_nothing(storage: Storage) -> None:
    delivery = _users(storage, "a.csv", "a@x,A,Aa\nno,B,Bb\n").delivery
    obstore.delete(storage.store, delivery.object)
    assert ingest(storage, USERS, delivery.object, "UTC", first_day=FIRST_DAY) is None
    assert (_emails(storage), _codes(storage)) == (["a@x"], [("a.csv", "email.regex")])


MADE = settings(
    max_examples=5,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@MADE
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.lists(st.sampled_from(["1@x", "2@x", "no", "short"]), max_size=4)))
)
def test_the_lake_is_a_function_of_the_present_versions(
    local_storage: Storage, drops: list[tuple[str, list[str]]]
) -> None:
    """Whatever was dropped and taken in before, only the last version of each object counts."""
    present: dict[str, list[str]] = {"a": [], "b": [], "c": []}
    for name, values in [*present.items(), *drops]:
        present[name] = values
        lines = (value + "\n" if value == "short" else f"{value},A,Aa\n" for value in values)
        _users(local_storage, name, "".join(lines))
    everything = [value for values in present.values() for value in values]
    assert _emails(local_storage) == sorted(value for value in everything if "@" in value)
    assert len(read_rejects(local_storage, None)) == sum("@" not in value for value in everything)


# event days


def test_the_days_of_both_versions_are_touched(storage: Storage) -> None:
    assert _take_streams(storage, "a.csv", "2021-12-01T10", "2021-12-02T10") == {"2021-12-01", "2021-12-02"}
    assert _take_streams(storage, "a.csv", "2021-12-02T11", "2020-01-01T00") == {
        *("2020-01-01", "2021-12-01", "2021-12-02"),
    }
    assert _take_streams(storage, "a.csv", "2021-12-05T00", recorded_version=2) == {
        "2020-01-01",
        "2021-12-02",
        "2021-12-05",
    }


def test_days_of_other_objects_are_not_touched(local_storage: Storage) -> None:
    _take_streams(local_storage, "a.csv", "2021-12-01T10")
    assert _take_streams(local_storage, "b.csv", "2021-12-02T10") == {"2021-12-02"}


@pytest.mark.parametrize("content", ["", "sorry"])
def test_a_withdrawn_version_touches_its_days(local_storage: Storage, content: str) -> None:
    _take_streams(local_storage, "a.csv", "2021-12-01T10")
    taken = _take_in(local_storage, STREAMS, land(local_storage, STREAMS, "a.csv", content, LATER))
    assert taken.event_days == {date(2021, 12, 1)}


def test_days_are_cut_in_the_business_time_zone(local_storage: Storage) -> None:
    assert _take_streams(local_storage, "a.csv", "2021-12-01T23", timezone="Europe/Paris") == {"2021-12-02"}
    assert _take_streams(local_storage, "a.csv", "2021-12-05T02", timezone="America/New_York") == {
        *("2021-12-01", "2021-12-04"),
    }


def test_a_rejected_event_touches_no_day(local_storage: Storage) -> None:
    assert _take_streams(local_storage, "a.csv", "2021-12-01T10", "9999-12-31T23", "+12000-01-01T00") == {"2021-12-01"}


def test_a_snapshot_touches_no_event_day(local_storage: Storage) -> None:
    assert _users(local_storage, "a.csv", "a@x,A,Aa\n").event_days == frozenset()


def test_what_a_crash_kept_from_being_told_is_told_when_it_is_done_again(storage: Storage) -> None:
    """The rows of the newer version are in, and nobody heard of it: the older version's days must not be forgotten."""
    _take_streams(storage, "a.csv", "2021-12-01T10")
    untold = _take_in(storage, STREAMS, land(storage, STREAMS, "a.csv", _streams("2021-12-02T10"), LATER))
    _take_streams(storage, "b.csv", "2021-12-03T10")
    for _ in range(2):
        again = _take_in(storage, STREAMS, untold.delivery, recorded_version=1)
        assert again.event_days == {date(2021, 12, 1), date(2021, 12, 2)}
    # Nor where a newer version comes first.
    assert _take_streams(storage, "a.csv", "2021-12-04T10", recorded_version=1) == {
        "2021-12-01",
        "2021-12-02",
        "2021-12-04",
    }
    assert _take_streams(storage, "a.csv", "2021-12-05T10", recorded_version=6) == {"2021-12-04", "2021-12-05"}


def test_an_intake_tells_its_own_days_and_those_before_it_that_nobody_heard_of(storage: Storage) -> None:
    days = [date(2021, 12, day) for day in (1, 2, 3, 4)]
    taken = [
        _take_in(storage, STREAMS, land(storage, STREAMS, "a.csv", _streams(f"{day}T10"), LATER), recorded_version=told)
        for day, told in zip(days, (0, 1, 1, 3), strict=True)
    ]
    assert [one.own_days for one in taken] == [{day} for day in days]
    assert [one.unrecorded for one in taken] == [(), (), (replace(taken[1], event_days=taken[1].own_days),), ()]
    again = _take_in(storage, STREAMS, taken[3].delivery)
    assert [one.version for one in again.unrecorded] == [3, 2, 1]
    assert (again.own_days, again.event_days) == (frozenset(days[3:]), frozenset(days))


def test_the_lake_tells_every_intake_again(storage: Storage) -> None:
    taken = [
        _take_in(storage, STREAMS, land(storage, STREAMS, name, content), "Asia/Tokyo", recorded_version=9)
        for name, content in [
            *(("a.csv", _streams("2021-12-01T23")), ("b.csv", "sorry"), ("a.csv", _streams("2021-12-03T10") + "x\n")),
            ("Zoë.csv", _streams("1969-12-31T10", "2021-12-03T10")),
        ]
    ]
    found = list(recorded_intakes(storage, STREAMS, "Asia/Tokyo"))
    assert [replace(one, event_days=one.own_days) for one in taken] == found
    assert list(recorded_intakes(storage, USERS, "UTC")) == []


# crashes


class _CrashError(BaseException):
    """The process is told to die, as by Ctrl-C."""


@contextmanager
def _crash(monkeypatch: pytest.MonkeyPatch, table: str, *, after: bool) -> Iterator[None]:
    """Die before or after a commit to a table."""
    commit = commit_deliveries

    def die(committed: LakeTable, *arguments: Any) -> int:
        if committed.name != table:
            return commit(committed, *arguments)
        if after:
            commit(committed, *arguments)
        raise _CrashError

    with monkeypatch.context() as patch:
        patch.setattr(ingesting, "commit_deliveries", die)
        try:
            yield
        except _CrashError:
            return
    pytest.fail(f"nothing was committed to {table}")


@pytest.mark.parametrize("table", ["rejects", "users"])
def test_a_crash_after_staging_leaves_the_older_rows_and_no_files(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    _users(storage, "a.csv", "a@x,A,Aa\nno,B,Bb\n")
    before = {name: _files(storage, name) for name in ("users", table)}
    with _crash(monkeypatch, table, after=False):
        _users(storage, "a.csv", "b@x,B,Bb\nshort\nshort\n")
    assert _emails(storage) == ["a@x"]
    assert {name: _files(storage, name) for name in before} == before


def test_rejects_are_committed_before_rows(local_storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    with _crash(monkeypatch, "users", after=False):
        _users(local_storage, "a.csv", "b@x,B,Bb\nshort\n")
    assert (_emails(local_storage), _codes(local_storage)) == ([], [("a.csv", "csv.missing_columns")])


@pytest.mark.parametrize("table", ["rejects", "users"])
@pytest.mark.parametrize("after", [False, True])
def test_after_a_crash_doing_it_again_gives_the_same_tables(
    local_storage: Storage, monkeypatch: pytest.MonkeyPatch, table: str, after: bool
) -> None:
    _users(local_storage, "a.csv", "a@x,A,Aa\nno,B,Bb\n")
    with _crash(monkeypatch, table, after=after):
        _users(local_storage, "a.csv", "b@x,B,Bb\nshort\n")
    _take_in(local_storage, USERS, next(Landing(local_storage).deliveries()))
    assert (_emails(local_storage), _codes(local_storage)) == (["b@x"], [("a.csv", "csv.missing_columns")])


def test_dying_right_after_the_commit_does_not_take_committed_files_away(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _crash(monkeypatch, "users", after=True):
        _users(storage, "a.csv", "a@x,A,Aa\nno,B,Bb\n")
    assert (_emails(storage), _codes(storage)) == (["a@x"], [("a.csv", "email.regex")])


def test_files_staged_before_the_storage_failed_are_removed(local_storage: Storage) -> None:
    """The second of two days cannot be written: its folder's name is taken by a file."""
    rows_table(local_storage, STREAMS).open()
    blocked = Path(local_storage.uri, "lake/streams/delivery_day=2021-12-31/event_date=2021-12-02")
    blocked.parent.mkdir()
    blocked.touch()
    delivery = land(local_storage, STREAMS, "a.csv", _streams("2021-12-01T10", "2021-12-02T10"), LATER)
    with pytest.raises(Exception, match="event_date=2021-12-02"):
        ingest(local_storage, STREAMS, delivery.object, "UTC", first_day=FIRST_DAY)
    assert _files(local_storage, "streams") == []


# concurrent changes


def _watched(look: Callable[[], None]) -> Source:
    """A source whose validation lets us act in the middle of the reading."""

    def seen(values: pl.Series) -> pl.Series:
        if len(values):
            look()
        return values.is_not_null()

    class Watched(dy.Schema):
        email = dy.String()

        @dy.rule()
        def is_seen(cls) -> pl.Expr:
            return pl.col("email").map_batches(seen, return_dtype=pl.Boolean)

    return Snapshot(
        name="watched",
        singular="watch",
        description="Watched.",
        owner="team:tests",
        schema=Watched,
        reader=Csv(),
        key=("email",),
    )


def test_an_object_replaced_during_the_reading_is_read_again(storage: Storage) -> None:
    bodies = iter(["email\nnew@x\nnewer@x\n"])

    def replace_once() -> None:
        for body in bodies:
            land(storage, "watched", "a.csv", body)

    source = _watched(replace_once)
    taken = _take_in(storage, source, land(storage, source, "a.csv", "email\nold@x\n"))
    assert _emails(storage, source) == ["new@x", "newer@x"]
    assert taken.delivery == next(Landing(storage).deliveries())
    assert len(_files(storage, "watched")) == 1


def test_an_object_removed_during_the_reading_is_gone(local_storage: Storage) -> None:
    landed: list[Delivery] = []
    source = _watched(lambda: obstore.delete(local_storage.store, landed[0].object))
    landed.append(land(local_storage, source, "a.csv", "email\nold@x\n"))
    assert ingest(local_storage, source, landed[0].object, "UTC", first_day=FIRST_DAY) is None
    assert (_emails(local_storage, source), _files(local_storage, "watched")) == ([], [])


def test_an_object_that_never_rests_is_left_for_later(local_storage: Storage) -> None:
    numbers = iter(range(1_000))
    source = _watched(lambda: void(land(local_storage, "watched", "a.csv", f"email\n{next(numbers)}@x\n")))
    delivery = land(local_storage, source, "a.csv", "email\nold@x\n")
    with pytest.raises(ConflictError, match=f"{delivery.object} kept changing while it was read"):
        ingest(local_storage, source, delivery.object, "UTC", first_day=FIRST_DAY)
    assert (_emails(local_storage, source), _files(local_storage, "watched")) == ([], [])


def void(_: object) -> None:
    """Forget a result."""


def test_a_slow_reader_of_an_older_version_does_not_overwrite_a_newer(storage: Storage) -> None:
    """While the first reads, the object is replaced and taken in by another; the first must notice and read again."""
    overtaken = iter([True])

    def overtake() -> None:
        for _ in overtaken:
            _take_in(storage, source, land(storage, "watched", "a.csv", "email\nnew@x\n"))

    source = _watched(overtake)
    slow = _take_in(storage, source, land(storage, source, "a.csv", "email\nold@x\n"))
    assert _emails(storage, source) == ["new@x"]
    assert slow.version == 2, "it must follow the other, not precede it"


def _at_once(*work: Callable[[], Intake | None]) -> list[Intake]:
    """Do all at the same time."""
    barrier = threading.Barrier(len(work))

    def wait_and_do(one: Callable[[], Intake | None]) -> Intake | None:
        barrier.wait()
        return one()

    with ThreadPoolExecutor(len(work)) as pool:
        return [taken for taken in pool.map(wait_and_do, work) if taken is not None]


@pytest.mark.parametrize("name", ["a.csv", "b.csv"])
def test_taking_in_one_object_twice_at_once_leaves_one_copy(storage: Storage, name: str) -> None:
    """From nothing, and in place of an older version; one of the two loses each time and finds the other's."""
    lines = "".join(f"{number}@x,A,Aa\n" for number in range(20)) + "no,B,Bb\n"
    for content in (lines, lines + "last@x,A,Aa\n"):
        key = land(storage, USERS, name, HEAD + content).object
        taken = _at_once(*[lambda key=key: ingest(storage, USERS, key, "UTC", first_day=FIRST_DAY)] * 2)
        assert taken[0].version == taken[1].version
        assert _emails(storage) == sorted(line.split(",")[0] for line in content.splitlines() if "@" in line)
        assert _codes(storage) == [(name, "email.regex")]
    assert rows_table(storage, USERS).open().version() == 2
    assert len(_files(storage, "users")) == 2


@pytest.mark.parametrize("content", [HEAD + "a@x,A,Aa\nno,B,Bb\n", "no such columns\n"], ids=["read", "refused"])
def test_the_same_bytes_again_are_not_taken_in_again(storage: Storage, content: str) -> None:
    first = _take_in(storage, USERS, land(storage, USERS, "a.csv", content))
    again = _take_in(storage, USERS, land(storage, USERS, "a.csv", content))
    assert again == replace(first, delivery=again.delivery, is_known=True)
    assert rows_table(storage, USERS).open().version() == 1
    assert len(_codes(storage)) == 1


def test_an_object_of_the_same_etag_is_not_even_opened(local_storage: Storage, tmp_path: Path) -> None:
    first = _users(local_storage, "a.csv", "a@x,A,Aa\n")
    [file] = tmp_path.rglob("a.csv")
    written = file.stat()
    with file.open("r+") as other_bytes:
        other_bytes.write("X" * written.st_size)
    os.utime(file, ns=(written.st_atime_ns, written.st_mtime_ns))
    assert _take_in(local_storage, USERS, first.delivery) == replace(first, is_known=True)


def test_an_intake_tells_which_columns_are_not_those_declared_and_tells_it_again(storage: Storage) -> None:
    content = "note\0,last_name,email,Age\n1,Aa,a@x,2\n"
    landed = land(storage, USERS, "a.csv", content)
    first = _take_in(storage, USERS, landed, release=landed.etag)
    assert (first.undeclared_columns, first.missing_columns) == (("Age", "note\ufffd"), ("first_name",))
    again = _take_in(storage, USERS, land(storage, USERS, "a.csv", content))
    assert again == replace(first, delivery=again.delivery, is_known=True)
    assert rows_table(storage, USERS).open().version() == 1
    repaired = _users(storage, "a.csv", "a@x,A,Aa\n")
    assert (repaired.undeclared_columns, repaired.missing_columns) == ((), ())


def test_a_refused_file_tells_no_columns(local_storage: Storage) -> None:
    content = '[{"name":"A","z":1},null]'
    taken = _take_in(local_storage, BOOKS, land(local_storage, BOOKS, "a.json", content))
    assert taken.refusal is not None
    assert taken.undeclared_columns == ()


def test_an_object_is_not_read_while_the_lake_holds_a_column_in_another_type(storage: Storage) -> None:
    delivery = _users(storage, "a.csv", "a@x,1,Aa\n").delivery

    class Numbered(USERS.schema):  # type: ignore[name-defined,misc]
        first_name = dy.Int64(nullable=True)

    numbered, files = replace(USERS, schema=Numbered), _files(storage, "users")
    with pytest.raises(SchemaMismatchError, match=r"users holds the column first_name as string.* says long"):
        ingest(storage, numbered, delivery.object, "UTC", first_day=FIRST_DAY)
    with pytest.raises(SchemaMismatchError, match="first_name"):
        rows_table(storage, numbered).scan()
    assert (rows_table(storage, USERS).open().version(), _files(storage, "users")) == (1, files)
    assert _emails(storage) == ["a@x"]


def test_under_another_declaration_the_same_bytes_are_read_again(storage: Storage) -> None:
    delivery = _users(storage, "a.csv", "a@x,A,Aa\nb@x,B,Bb\n").delivery

    class OfA(USERS.schema):  # type: ignore[name-defined,misc]
        @dy.rule()
        def begins_with_a(cls) -> pl.Expr:
            return pl.col("first_name").str.starts_with("A")

    taken = _take_in(storage, replace(USERS, schema=OfA), delivery)
    assert (taken.accepted, taken.rejected, _emails(storage)) == (1, 1, ["a@x"])


def test_different_objects_at_once_all_come_in(storage: Storage) -> None:
    keys = [land(storage, USERS, f"{name}.csv", f"{HEAD}{name}@x,A,Aa\nno,B,Bb\n").object for name in "abcdef"]
    taken = _at_once(*(lambda key=key: ingest(storage, USERS, key, "UTC", first_day=FIRST_DAY) for key in keys))
    assert len(taken) == 6
    assert _emails(storage) == [f"{name}@x" for name in "abcdef"]
    assert len(_codes(storage)) == 6


def test_both_versions_of_an_object_at_once_end_as_the_newer(storage: Storage) -> None:
    """An event source: rows on several days, and one object replaced while two take it in."""
    assert isinstance(STREAMS, Events)
    key = land(storage, STREAMS, "a.csv", _streams("2021-12-01T10", "2021-12-02T10"), LATER).object
    newer = _streams("2021-12-02T11", "2021-12-03T10")

    def replace_and_take_in() -> Intake | None:
        land(storage, STREAMS, "a.csv", newer, LATER)
        return ingest(storage, STREAMS, key, "UTC", first_day=FIRST_DAY)

    _at_once(lambda: ingest(storage, STREAMS, key, "UTC", first_day=FIRST_DAY), replace_and_take_in)
    rows = rows_table(storage, STREAMS).scan().collect()
    assert sorted(f"{start:%Y-%m-%dT%H}" for start in rows["start_at"]) == ["2021-12-02T11", "2021-12-03T10"]
