"""Tables of the lake that somebody restored to an older version: what is landed again is taken in."""

import pytest

from dataflow_assets.lake.delta.table import LakeTable, rejects_table, rows_table
from dataflow_assets.lake.ingest import Intake, ingest
from dataflow_assets.landing.deliveries import Delivery
from dataflow_assets.landing.storage import Storage
from dataflow_assets.sources import find_source
from dataflow_assets_tests.landing.stores import FIRST_DAY, land
from dataflow_assets_tests.orchestration.builders import session, streams_csv

STREAMS = find_source("streams")
FIRST, SECOND = session("2021-12-01T01:00"), session("2021-12-02T02:00", movie="Heat")


def take_in(storage: Storage, delivery: Delivery, recorded_version: int = 0) -> Intake:
    done = ingest(storage, STREAMS, delivery.object, "UTC", recorded_version, first_day=FIRST_DAY)
    assert done
    return done


def titles(storage: Storage) -> list[str]:
    return sorted(rows_table(storage, STREAMS).scan().collect()["movie_title"])


def restore(table: LakeTable, version: int) -> None:
    table.open().restore(version)


def test_an_object_whose_rows_a_restore_removed_is_taken_in_again(local_storage: Storage) -> None:
    table = rows_table(local_storage, STREAMS)
    before = table.open().version()
    landed = land(local_storage, STREAMS, "a.csv", streams_csv(FIRST, SECOND))
    done = take_in(local_storage, landed)
    restore(table, before)
    assert titles(local_storage) == []
    again = take_in(local_storage, landed, done.version)
    assert (again.is_known, again.accepted) == (False, 2)
    assert titles(local_storage) == ["Heat", "Rust"]
    assert take_in(local_storage, landed, again.version).is_known, "now it is known"


def test_as_many_rows_of_an_older_version_of_the_object_are_not_taken_for_its_own(local_storage: Storage) -> None:
    old = take_in(local_storage, land(local_storage, STREAMS, "a.csv", streams_csv(FIRST)))
    new = land(local_storage, STREAMS, "a.csv", streams_csv(SECOND))
    done = take_in(local_storage, new)
    restore(rows_table(local_storage, STREAMS), old.version)
    assert titles(local_storage) == ["Rust"]
    again = take_in(local_storage, new, done.version)
    assert (again.is_known, titles(local_storage)) == (False, ["Heat"])
    assert {day.isoformat() for day in again.event_days} == {"2021-12-01", "2021-12-02"}, "both days are made again"


def test_rejects_that_a_restore_removed_come_back(local_storage: Storage) -> None:
    rejects = rejects_table(local_storage)
    before = rejects.open().version()
    landed = land(local_storage, STREAMS, "a.csv", streams_csv(FIRST, "x,never"))
    done = take_in(local_storage, landed)
    restore(rejects, before)
    again = take_in(local_storage, landed, done.version)
    assert (again.is_known, again.accepted, again.rejected) == (False, 1, 1)


@pytest.mark.parametrize("text", [streams_csv(), streams_csv(FIRST), streams_csv(FIRST, SECOND, "x,never")])
def test_what_was_never_restored_is_known(storage: Storage, text: str) -> None:
    landed = land(storage, STREAMS, "a.csv", text)
    assert not take_in(storage, landed).is_known
    assert take_in(storage, landed).is_known
