"""Deliveries that are quarantined: what the lake holds before, meanwhile and after their release."""

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dataflow_assets.core.time_windows import Window
from dataflow_assets.errors import LostRowsError
from dataflow_assets.lake import staging
from dataflow_assets.lake.delta.commit import commit_deliveries
from dataflow_assets.lake.delta.commit_log import find_last_commit
from dataflow_assets.lake.delta.dumps import Dumps, read_dumps
from dataflow_assets.lake.delta.table import read_rejects, rejects_table, rows_table
from dataflow_assets.lake.ingest import Intake, ingest
from dataflow_assets.lake.quarantine import find_renamed_columns
from dataflow_assets.lake.readers import Batch, Content, read_file
from dataflow_assets.lake.readers.csv import reader as csv
from dataflow_assets.landing.storage import Storage
from dataflow_assets.sources import find_source
from dataflow_assets.sources.base import RejectLimit, Snapshot, Source
from dataflow_assets.sources.formats import Parquet
from dataflow_assets_tests.lake.readers.packing import zipped
from dataflow_assets_tests.landing.stores import DAY, FIRST_DAY, land

LIMIT = RejectLimit(share=0.5, count=2)
SNAPSHOT = find_source("users")
USERS = replace(SNAPSHOT, reject_limit=LIMIT)
STREAMS = replace(find_source("streams"), reject_limit=LIMIT)
HEAD = "email,first_name,last_name\n"
GOOD, BAD = "a@x,A,Aa\nno,B,Bb\n", "b@x,A,Aa\nno,B,Bb\nshort\nno,C,Cc\n"
OVER = (
    "3 of its 4 rows are rejected, over the limit of 50% and 2 rows. The first: line 3: email does not have the "
    "declared form. line 4: the line cannot be read: it has fewer values than the file has columns. line 5: email does "
    "not have the declared form."
)


def taken(
    storage: Storage,
    content: str | bytes,
    source: Source = USERS,
    name: str = "a.csv",
    *,
    release: bool = False,
    **how: Any,
) -> Intake:
    landed = land(storage, source, name, content)
    released = landed.etag if release else None
    done = ingest(storage, source, landed.object, "UTC", first_day=FIRST_DAY, release=released, **how)
    assert done
    return done


def users(storage: Storage, content: str, **how: Any) -> Intake:
    return taken(storage, HEAD + content, **how)


def emails(storage: Storage) -> list[str]:
    return sorted(rows_table(storage, USERS).scan().collect()["email"])


def rejected(storage: Storage) -> list[str]:
    return [reject["raw"] for reject in read_rejects(storage, "users")]


@pytest.mark.parametrize(
    ("rejects", "delivered", "is_held"),
    [(3, 5, False), (101, 101, True), (100, 100, False), (101, 505, False), (102, 505, True), (200_000, 10**6, False)],
)
def test_a_limit_is_a_count_and_a_share(rejects: int, delivered: int, is_held: bool) -> None:
    assert RejectLimit().is_exceeded(rejected=rejects, delivered=delivered) == is_held


@pytest.mark.parametrize("wrong", [{"share": 1.5}, {"share": -0.1}, {"count": -1}])
def test_a_limit_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="a reject limit has"):
        RejectLimit(**wrong)


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_smallest_share_that_cannot_be_is_refused(share: float) -> None:
    assert isinstance(SNAPSHOT, Snapshot)
    with pytest.raises(ValueError, match="source users: the smallest share is"):
        replace(SNAPSHOT, smallest_share=share)


def test_nothing_of_a_delivery_over_its_limit_is_loaded(storage: Storage) -> None:
    held = users(storage, BAD)
    assert (held.delivered, held.accepted, held.rejected, held.quarantine_reason) == (0, 0, 0, OVER)
    assert (emails(storage), rejected(storage)) == ([], [])
    again = users(storage, BAD)
    assert again == replace(held, delivery=again.delivery, is_known=True), "it is not read again"


def test_an_older_version_stays_in_force(storage: Storage) -> None:
    first = users(storage, GOOD)
    held = users(storage, BAD)
    assert (held.delivered, held.accepted, held.rejected, held.quarantine_reason) == (2, 1, 1, OVER)
    assert held.version > first.version
    assert (emails(storage), rejected(storage)) == (["a@x"], ["no,B,Bb"])
    repaired = users(storage, "c@x,C,Cc\n")
    assert (repaired.accepted, repaired.quarantine_reason) == (1, None)
    assert (emails(storage), rejected(storage)) == (["c@x"], [])


def test_what_is_held_leaves_no_files(local_storage: Storage) -> None:
    users(local_storage, BAD)
    assert list(Path(local_storage.uri, "lake").rglob("*.parquet")) == []


def test_a_released_version_is_loaded_and_its_release_lasts(storage: Storage) -> None:
    users(storage, GOOD)
    users(storage, BAD)
    released = users(storage, BAD, release=True)
    assert (released.delivered, released.accepted, released.rejected, released.quarantine_reason) == (4, 1, 3, None)
    assert (emails(storage), len(rejected(storage))) == (["b@x"], 3)
    assert users(storage, BAD, release=True).version == released.version, "to release it again does nothing"
    wider = replace(USERS, time_formats=("%d.%m.%Y",))
    again = taken(storage, HEAD + BAD, wider)
    assert again.version > released.version, "another declaration reads it again"
    assert again.quarantine_reason is None


def test_a_release_is_of_one_version(storage: Storage) -> None:
    users(storage, BAD, release=True)
    worse = users(storage, BAD + "no,D,Dd\n")
    assert worse.quarantine_reason
    assert (worse.delivered, worse.accepted, worse.rejected) == (4, 1, 3)
    assert emails(storage) == ["b@x"]
    assert users(storage, BAD).quarantine_reason is None, "the released bytes came back"


def test_what_came_in_place_of_a_released_version_is_not_released(storage: Storage) -> None:
    seen = land(storage, USERS, "a.csv", HEAD + BAD)
    land(storage, USERS, "a.csv", HEAD + BAD + "no,D,Dd\n")
    taken_in = ingest(storage, USERS, seen.object, "UTC", first_day=FIRST_DAY, release=seen.etag)
    assert taken_in is not None
    assert taken_in.quarantine_reason, "nobody has seen these bytes"
    assert (emails(storage), rejected(storage)) == ([], [])


def test_a_refused_file_is_not_held(local_storage: Storage) -> None:
    source = replace(USERS, reject_limit=RejectLimit(share=0, count=0))
    users(local_storage, GOOD)
    refused = taken(local_storage, "sorry", source)
    assert (refused.quarantine_reason, emails(local_storage)) == (None, [])
    assert refused.refusal


def test_a_held_event_touches_no_day_but_tells_what_is_untold(local_storage: Storage) -> None:
    head = "movie_title,user_email,size_mb,start_at,end_at\n"
    good = head + "Heat,a@x,1,2021-12-01T10:00:00Z,2021-12-01T11:00:00Z\n"
    first = taken(local_storage, good, STREAMS)
    bad = head + "x\n" * 3
    assert taken(local_storage, bad, STREAMS, recorded_version=first.version).event_days == frozenset()
    again = taken(local_storage, bad, STREAMS, recorded_version=0)
    assert again.event_days == {date(2021, 12, 1)}, "nobody heard of the first version"


def test_rejects_know_the_run_that_found_them(storage: Storage) -> None:
    users(storage, GOOD, run="one")
    assert [reject["run"] for reject in read_rejects(storage, "users")] == ["one"]


def test_rejects_are_staged_piece_by_piece(local_storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "_STAGE_REJECTS", 1)
    monkeypatch.setattr(csv, "_LARGEST_PART", 1 << 20)
    count = 200_000
    users(local_storage, "no,A,Aa\n" * count + "a@x,A,Aa\n" * (count + 1))
    rejects = rejects_table(local_storage)
    assert rejects.scan().collect().height == count
    assert len(rejects.open().file_uris()) > 1


# the sums


def test_a_reader_that_loses_a_row_commits_nothing(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    users(storage, GOOD)
    monkeypatch.setattr(staging, "read_file", losing_a_row)
    with pytest.raises(LostRowsError, match=r"a\.csv holds 3 rows, but 1 were accepted and 1 rejected"):
        users(storage, "b@x,B,Bb\nc@x,C,Cc\nno\n")
    assert (emails(storage), rejected(storage)) == (["a@x"], ["no,B,Bb"])


def losing_a_row(path: Path, source: Source, bounds: Window | None) -> Content:
    """A reader with a bug."""

    def batches() -> Iterator[Batch]:
        for batch in read_file(path, source, bounds).batches:
            yield replace(batch, rows=batch.rows[1:])

    return Content(batches())


def test_rows_that_are_gone_from_the_lake_are_taken_in_again(local_storage: Storage) -> None:
    first = users(local_storage, GOOD)
    table = rows_table(local_storage, USERS)
    last = find_last_commit(table, table.open(), first.delivery)
    assert last
    commit_deliveries(table, table.open(), [([], last.info)])
    again = users(local_storage, GOOD)
    assert (again.delivered, again.accepted, again.rejected, again.is_known) == (2, 1, 1, False)
    assert emails(local_storage) == ["a@x"]


# dumps


def test_the_dumps_of_a_lake_are_counted_and_those_released_are_known(storage: Storage) -> None:
    def dump(day: int, content: str, name: str = "a.csv", *, release: bool = False) -> int:
        landed = land(storage, USERS, name, HEAD + content, date(2021, 12, day))
        released = landed.etag if release else None
        done = ingest(storage, USERS, landed.object, "UTC", first_day=FIRST_DAY, release=released)
        assert done
        return done.version

    table = rows_table(storage, USERS)
    assert read_dumps(table, table.open().version()) == Dumps({}, frozenset())
    dump(1, "a@x,A,Aa\nb@x,B,Bb\n")
    dump(1, "c@x,C,Cc\n", "b.csv")
    before = dump(2, "")
    one, two = date(2021, 12, 1), date(2021, 12, 2)
    assert read_dumps(table, before) == Dumps({one: 3, two: 0}, frozenset())
    dump(2, "", release=True)
    half = dump(1, "c@x,C,Cc\n", "b.csv", release=True)
    assert read_dumps(table, half) == Dumps({one: 3, two: 0}, frozenset({two})), (
        "the other object of the day is not released"
    )
    whole = dump(1, "a@x,A,Aa\nb@x,B,Bb\n", release=True)
    assert read_dumps(table, whole) == Dumps({one: 3, two: 0}, frozenset({one, two}))
    assert table.changed_days(half, whole) == {one}
    newer = dump(1, "a@x,A,Aa\n")
    assert read_dumps(table, newer) == Dumps({one: 2, two: 0}, frozenset({two})), "it was released as it was"
    assert read_dumps(table, before) == Dumps({one: 3, two: 0}, frozenset())


def test_a_dump_that_came_under_two_names_is_no_larger(local_storage: Storage) -> None:
    for name, content in (
        ("a.csv", "a@x,A,Aa\nb@x,B,Bb\n"),
        ("twin.csv", "a@x,A,Aa\nb@x,B,Bb\n"),
        ("c.csv", "c@x,C,\n"),
    ):
        key = land(local_storage, USERS, name, HEAD + content).object
        assert ingest(local_storage, USERS, key, "UTC", first_day=FIRST_DAY)
    table = rows_table(local_storage, USERS)
    assert read_dumps(table, table.open().version()) == Dumps({DAY: 3}, frozenset())


def test_a_refused_file_is_no_dump(local_storage: Storage) -> None:
    version = taken(local_storage, "sorry").version
    assert read_dumps(rows_table(local_storage, USERS), version) == Dumps({}, frozenset())
    version = users(local_storage, "").version
    assert read_dumps(rows_table(local_storage, USERS), version) == Dumps({DAY: 0}, frozenset())


RENAMED = "Email,given_name,last_name\nA@x,A,Aa\n"
WHY = (
    "it lacks the declared columns first_name and brings given_name, which are not declared: given_name may be "
    'first_name. Release it to load it so, or declare aliases={"first_name": ("given_name",)}, '
    "or as optional_columns what a file may leave out."
)


@pytest.mark.parametrize("source", [USERS, replace(USERS, reader=Parquet())], ids=["csv", "parquet"])
def test_a_delivery_with_a_renamed_column_is_quarantined_until_it_is_released_or_an_alias_is_declared(
    local_storage: Storage, source: Source
) -> None:
    """Its values would become nulls, in the table and in its history."""
    name = f"a{source.reader.suffix}"
    written = io.BytesIO()
    pl.read_csv(RENAMED.encode()).write_parquet(written)
    content: str | bytes = RENAMED if name == "a.csv" else written.getvalue()
    held = taken(local_storage, content, source, name)
    assert (held.quarantine_reason, held.accepted) == (WHY, 0)
    aliased = replace(source, aliases={"first_name": ("given_name", "forename")})
    done = taken(local_storage, content, aliased, name)
    assert (done.quarantine_reason, done.accepted, done.repaired) == (None, 1, {"column_names": 1})
    assert done.missing_columns == done.undeclared_columns == ()
    assert rows_table(local_storage, source).scan().select("first_name").collect().item() == "A"
    released = taken(local_storage, content, source, name, release=True)
    assert (released.quarantine_reason, released.missing_columns) == (None, ("first_name",))


UNEVEN = (
    "its members have not the same columns: first_name is not in 2.csv, and is in others. Of a column that a file "
    "lacks the rows keep the values that they had, which cannot be said of a part of it. Land the members as files of "
    "their own, or with the same columns; or release it to load null where a member has no such column; or declare as "
    "optional_columns what a file may leave out."
)


def test_an_archive_whose_members_have_not_the_same_columns_is_quarantined(local_storage: Storage) -> None:
    """Its rows would lose values, or keep old ones in place of those that they bring."""
    before = taken(local_storage, zipped({"1.csv": f"{HEAD}a@x,A,Aa\n".encode()}), name="u.csv.zip")
    content = zipped({"1.csv": f"{HEAD}a@x,NEW,Aa\n".encode(), "2.csv": b"email,last_name\nb@x,Bb\n"})
    held = taken(local_storage, content, name="u.csv.zip")
    assert (before.quarantine_reason, held.quarantine_reason, held.accepted) == (None, UNEVEN, 1)
    names = rows_table(local_storage, USERS).scan().select("email", "first_name")
    assert names.collect().rows() == [("a@x", "A")]
    released = taken(local_storage, content, name="u.csv.zip", release=True)
    assert (released.quarantine_reason, released.accepted, released.missing_columns) == (None, 2, ())
    assert sorted(rows_table(local_storage, USERS).scan().select("email", "first_name").collect().rows()) == [
        ("a@x", "NEW"),
        ("b@x", None),
    ]
    optional = replace(USERS, optional_columns=("first_name",))
    assert taken(local_storage, content, optional, "v.csv.zip").quarantine_reason is None


def test_names_that_are_not_alike_are_not_guessed() -> None:
    assert find_renamed_columns({"qty"}, {"Price"}) == (
        "it lacks the declared columns qty and brings Price, which are not declared: none of them is like another. "
        'Release it to load it so, or declare aliases={"column": ("its name",)}, '
        "or as optional_columns what a file may leave out."
    )
    assert "quantity may be qty" in (find_renamed_columns({"qty"}, {"price list", "quantity"}) or "")
    assert find_renamed_columns({"qty"}, ()) is find_renamed_columns((), {"quantity"}) is None
