"""What is quarantined until someone says go, and the sums of every partition, in real runs."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from dataflow_assets.core.time_windows import Window
from dataflow_assets.errors import RunFailedError
from dataflow_assets.lake import staging
from dataflow_assets.lake.delta.commit import commit_deliveries
from dataflow_assets.lake.delta.commit_log import find_last_commit
from dataflow_assets.lake.delta.table import rows_table
from dataflow_assets.lake.readers import Batch, Content, read_file
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.orchestration.checks.nothing_quarantined import CHECK as QUARANTINED
from dataflow_assets.orchestration.checks.rows_add_up import CHECK as ROWS_ADD_UP
from dataflow_assets.orchestration.checks.snapshots_complete import CHECK as COMPLETE
from dataflow_assets.orchestration.runs.in_process import Materializer
from dataflow_assets.postgres.several_partitions import replace_partitions
from dataflow_assets.sources import find_source
from dataflow_assets.sources.base import Source
from dataflow_assets.warehouse import events, small_days
from dataflow_assets_tests.orchestration.builders import Platform, movies_csv, reasons, session, streams_csv

GOOD = [session(f"2021-12-01T{hour:02}:00") for hour in range(10)]
BAD = ["x,never"] * 150
TITLES = "SELECT title FROM warehouse.movies WHERE missing_since IS NULL ORDER BY 1"
PRESENT = "FROM ledger.deliveries WHERE state <> 'superseded'"
SESSIONS = "SELECT count(*) FROM warehouse.streams"


def evaluated(platform: Platform, check: str, asset: str) -> dict[str, dg.AssetCheckEvaluation]:
    """The newest evaluation of each partition."""
    found: dict[str, dg.AssetCheckEvaluation] = {}
    for run in reversed(list(platform.instance.get_runs())):
        for entry in platform.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
            one = entry.get_dagster_event().event_specific_data
            assert isinstance(one, dg.AssetCheckEvaluation)
            if (one.check_name, one.asset_key.to_user_string()) == (check, asset):
                found[str(one.partition)] = one
    return found


def logged(platform: Platform) -> str:
    """What the runs have told, as the UI shows it."""
    entries = (entry for run in platform.instance.get_runs() for entry in platform.instance.all_logs(run.run_id))
    return "\n".join(entry.user_message for entry in entries if not entry.is_dagster_event)


def metrics(one: dg.AssetCheckEvaluation) -> dict[str, Any]:
    return {name: value.value for name, value in one.metadata.items()}


def release(platform: Platform, *deliveries: Any) -> None:
    materializer = Materializer(platform.settings, lambda: platform.definitions, platform.instance, lambda _: None)
    materializer.materialize(deliveries, release=True)


# a delivery over its reject limit


def test_events_over_the_reject_limit_are_held_until_released(platform: Platform) -> None:
    platform.materialize(platform.land("streams", "2021-12-31", streams_csv(*GOOD[:3])))
    over = platform.land("streams", "2021-12-31", streams_csv(*GOOD, *BAD))
    platform.materialize(over)
    assert platform.query(SESSIONS) == [(3,)], "the older version stays in force"
    reason = "150 of its 160 rows are rejected, over the limit of 20% and 100 rows. The first: line 12: "
    assert f"{over.object} is quarantined: {reason}" in logged(platform)
    held = evaluated(platform, QUARANTINED.name, "lake/streams")["2021-12-31"]
    assert (held.passed, held.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert str(held.description).startswith(f"{over.object} is quarantined: {reason}")
    assert "`dataflow release OBJECT`" in str(held.description)
    [(state, told, *counts)] = platform.query(f"SELECT state, quarantine_reason, accepted, rejected {PRESENT}")
    assert (state, counts) == ("quarantined", [3, 0])
    assert told.startswith(reason)
    assert platform.metadata("lake/streams", "2021-12-31")["quarantined"] == 1
    assert platform.query("SELECT count(*) FROM ledger.rejects") == [(0,)]
    assert platform.tick("landing_sensor").reason == "Nothing new in landing."

    for _ in range(2):
        release(platform, over)
        assert platform.query(SESSIONS) == [(10,)]
        assert platform.query("SELECT sessions FROM analytics.average_session") == [(10,)]
        assert platform.query(f"SELECT state, quarantine_reason {PRESENT}") == [("accepted", None)]
        assert platform.query("SELECT count(*) FROM ledger.rejects") == [(150,)]
        assert evaluated(platform, QUARANTINED.name, "lake/streams")["2021-12-31"].passed
    platform.materialize(platform.land("streams", "2021-12-31", streams_csv(*GOOD[:9], *BAD)))
    assert platform.query(SESSIONS) == [(10,)], "it is released for that version alone"
    platform.materialize(platform.land("streams", "2021-12-31", streams_csv(*GOOD[:2])))
    assert platform.query(SESSIONS) == [(2,)]
    assert evaluated(platform, QUARANTINED.name, "lake/streams")["2021-12-31"].passed


def test_a_snapshot_over_the_reject_limit_is_held_until_released(platform: Platform) -> None:
    platform.materialize(platform.land("movies", "2021-12-01", movies_csv("Heat", "Rust")))
    over = platform.land("movies", "2021-12-02", movies_csv("Heat", "Amarcord", *[""] * 150))
    platform.materialize(over)
    assert platform.query(TITLES) == [("Heat",), ("Rust",)]
    assert not evaluated(platform, QUARANTINED.name, "lake/movies")["2021-12-02"].passed
    assert platform.query("SELECT day FROM ledger.dumps WHERE rows > 0") == [(date(2021, 12, 1),)]
    release(platform, over)
    assert platform.query(TITLES) == [("Amarcord",), ("Heat",)]


def test_rejects_are_a_table_that_names_the_run(platform: Platform) -> None:
    made = platform.land("movies", "2021-12-01", movies_csv("Heat", ""))
    platform.materialize(made)
    lake = dg.AssetKey(["lake", "movies"])
    [run] = [run for run in platform.instance.get_runs() if lake in (run.asset_selection or ())]
    rows = platform.query("SELECT source, day, object, line, code, raw, run FROM ledger.rejects")
    assert rows == [("movies", made.day, made.object, 3, "title.nullability", ",90,,1", run.run_id)]


# a dump that may be cut short


def test_a_dump_cut_short_is_held_until_released(platform: Platform) -> None:
    platform.materialize(platform.land("movies", "2021-12-01", movies_csv("A", "B", "C")))
    cut = platform.land("movies", "2021-12-02", movies_csv("D"))
    platform.materialize(cut)
    assert platform.query(TITLES) == [("A",), ("B",), ("C",)]
    sentence = "movies of 2021-12-02 is quarantined: its 1 rows are less than 50% of the 3 of 2021-12-01."
    assert sentence in logged(platform)
    held = evaluated(platform, COMPLETE.name, "warehouse/movies")["2021-12-02"]
    assert (held.passed, held.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert str(held.description).startswith(sentence)
    assert "`dataflow release --source movies --day 2021-12-02`" in str(held.description)
    assert evaluated(platform, COMPLETE.name, "warehouse/movies")["2021-12-01"].passed
    assert platform.metadata("warehouse/movies", "2021-12-02")["is_quarantined"] == 1
    platform.materialize(platform.land("movies", "2021-12-03", movies_csv("D")))
    assert platform.query(TITLES) == [("A",), ("B",), ("C",)], "two cut short in a row are not complete"

    for _ in range(2):
        release(platform, cut)
        assert platform.query(TITLES) == [("D",)]
        assert all(one.passed for one in evaluated(platform, COMPLETE.name, "warehouse/movies").values())
        assert platform.query("SELECT count(*) FROM ledger.dumps WHERE quarantine_reason IS NULL") == [(3,)]


def test_a_release_is_of_one_version_of_a_dump(platform: Platform) -> None:
    platform.materialize(platform.land("movies", "2021-12-01", movies_csv("A", "B", "C", "D", "E")))
    release(platform, platform.land("movies", "2021-12-02", movies_csv("A", "B")))
    assert platform.query(TITLES) == [("A",), ("B",)]
    platform.materialize(platform.land("movies", "2021-12-02", movies_csv("A")))
    assert [row[0] for row in platform.query(TITLES)] == ["A", "B", "C", "D", "E"]
    assert not evaluated(platform, COMPLETE.name, "warehouse/movies")["2021-12-02"].passed


def test_held_dumps_are_judged_again_when_a_day_between_arrives(platform: Platform) -> None:
    platform.materialize(platform.land("movies", "2021-12-01", movies_csv("A", "B", "C", "D")))
    platform.materialize(platform.land("movies", "2021-12-03", movies_csv("A")))
    assert not evaluated(platform, COMPLETE.name, "warehouse/movies")["2021-12-03"].passed
    platform.materialize(platform.land("movies", "2021-12-02", movies_csv("A", "B")))
    assert platform.query(TITLES) == [("A",)]
    assert evaluated(platform, COMPLETE.name, "warehouse/movies")["2021-12-03"].passed


@pytest.mark.parametrize("content", ["", movies_csv(), movies_csv("")], ids=["empty", "header only", "all rejected"])
def test_an_empty_dump_is_held_until_released(platform: Platform, content: str) -> None:
    platform.materialize(platform.land("movies", "2021-12-01", movies_csv("A")))
    empty = platform.land("movies", "2021-12-02", content)
    platform.materialize(empty)
    assert platform.query(TITLES) == [("A",)]
    assert not evaluated(platform, COMPLETE.name, "warehouse/movies")["2021-12-02"].passed
    release(platform, empty)
    assert platform.query("SELECT title, missing_since::text FROM warehouse.movies") == [("A", "2021-12-02")]
    platform.materialize(platform.land("movies", "2021-12-03", movies_csv("B")))
    assert platform.query(TITLES) == [("B",)]


def test_an_empty_file_of_events_is_an_empty_delivery(platform: Platform) -> None:
    for text, count in ((streams_csv(*GOOD), len(GOOD)), ("", 0)):
        platform.land("streams", "2021-12-31", text)
        assert platform.run("lake/streams", "2021-12-31").success
        assert platform.run("warehouse/streams", "2021-12-01").success
        assert platform.query(SESSIONS) == [(count,)]
    assert evaluated(platform, QUARANTINED.name, "lake/streams")["2021-12-31"].passed


# the sums


def losing_a_row(path: Path, source: Source, bounds: Window | None) -> Content:
    """A reader with a bug: it loses the first row of files that are named so."""

    def batches() -> Iterator[Batch]:
        for batch in read_file(path, source, bounds).batches:
            yield replace(batch, rows=batch.rows[1:] if path.name.startswith("lost") else batch.rows)

    return Content(batches())


def test_every_lake_partition_adds_up(platform: Platform) -> None:
    platform.land("movies", "2021-12-01", movies_csv("A", ""))
    platform.land("movies", "2021-12-02", "no such header\n")
    assert platform.run("lake/movies", "2021-12-01", "2021-12-03").success
    found = evaluated(platform, ROWS_ADD_UP.name, "lake/movies")
    assert {day: (one.passed, metrics(one)) for day, one in found.items()} == {
        "2021-12-01": (True, {"delivered": 2, "accepted": 1, "rejected": 1}),
        "2021-12-02": (True, {"delivered": 1, "accepted": 0, "rejected": 1}),
        "2021-12-03": (True, {"delivered": 0, "accepted": 0, "rejected": 0}),
    }


def test_a_day_whose_rows_do_not_add_up_fails_alone(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    platform.land("movies", "2021-12-02", movies_csv("Old"), "lost.csv")
    assert platform.run("lake/movies warehouse/movies", "2021-12-02").success
    for day, name in (("2021-12-01", "a.csv"), ("2021-12-02", "lost.csv"), ("2021-12-02", "zebra.csv")):
        platform.land("movies", day, movies_csv("New", "Newer"), name)
    with monkeypatch.context() as patch:
        patch.setattr(staging, "read_file", losing_a_row)
        result = platform.run("lake/movies warehouse/movies", "2021-12-01", "2021-12-02")
    assert not result.success
    sentence = "lost.csv holds 2 rows, but 1 were accepted and 0 rejected. Nothing of it was loaded"
    assert f"1 of 2 partitions failed, the others are written. 2021-12-02: landing/movies/2021-12-02/{sentence}" in (
        reasons(result)
    )
    found = evaluated(platform, ROWS_ADD_UP.name, "lake/movies")
    assert (found["2021-12-01"].passed, metrics(found["2021-12-01"])["accepted"]) == (True, 2)
    failed = found["2021-12-02"]
    assert (failed.passed, failed.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert sentence in str(failed.description)
    accepted = "SELECT object, accepted FROM ledger.deliveries ORDER BY 1"
    assert [(key.rsplit("/", 1)[1], rows) for key, rows in platform.query(accepted)] == [
        *(("a.csv", 2), ("lost.csv", 1), ("zebra.csv", 2)),
    ], "the other objects of the day are in, and the older version of this one"
    assert platform.partitions("warehouse/movies") == ["2021-12-02"], "nothing follows from the failed run"
    assert platform.run("lake/movies warehouse/movies", "2021-12-01", "2021-12-02").success
    assert evaluated(platform, ROWS_ADD_UP.name, "lake/movies")["2021-12-02"].passed


def test_rows_that_vanish_from_the_lake_are_taken_in_again(platform: Platform) -> None:
    made = platform.land("movies", "2021-12-01", movies_csv("A"))
    assert platform.run("lake/movies", "2021-12-01").success
    table = rows_table(open_storage(platform.settings), find_source("movies"))
    last = find_last_commit(table, table.open(), made)
    assert last
    commit_deliveries(table, table.open(), [([], last.info)])
    assert platform.run("lake/movies", "2021-12-01").success
    assert platform.metadata("lake/movies", "2021-12-01")["accepted"] == 1
    assert evaluated(platform, ROWS_ADD_UP.name, "lake/movies")["2021-12-01"].passed


def test_every_event_day_adds_up_and_one_that_does_not_fails_alone(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    doubled = [session("2021-12-01T10:00")] * 2
    made = platform.land("streams", "2021-12-31", streams_csv(*doubled, session("2021-12-02T10:00")))
    count = events._count

    def losing(connection: Any, table: str) -> int:
        return count(connection, table) - ("20211202" in table)

    def losing_together(*of_several: Any) -> dict[str, int]:
        return {day: rows - (day == "2021-12-02") for day, rows in replace_partitions(*of_several).items()}

    sentence = "2021-12-02: streams of 2021-12-02 has 1 rows in the lake, but 0 would be in the table"
    with monkeypatch.context() as patch:
        patch.setattr(events, "_count", losing)
        patch.setattr(small_days, "replace_partitions", losing_together)
        with pytest.raises(RunFailedError, match=sentence):
            platform.materialize(made)
    found = evaluated(platform, ROWS_ADD_UP.name, "warehouse/streams")
    assert (found["2021-12-01"].passed, found["2021-12-02"].passed) == (True, False)
    assert metrics(found["2021-12-01"]) == {"accepted": 2, "rows": 1, "superseded": 1}
    assert found["2021-12-02"].severity == dg.AssetCheckSeverity.ERROR
    assert platform.query(SESSIONS) == [(1,)]
    platform.materialize(made)
    assert evaluated(platform, ROWS_ADD_UP.name, "warehouse/streams")["2021-12-02"].passed


def test_the_sums_block_and_what_is_held_back_does_not(platform: Platform) -> None:
    assets = [asset for asset in platform.definitions.assets or () if isinstance(asset, dg.AssetsDefinition)]
    found = {
        (spec.asset_key.to_user_string(), spec.name): spec.blocking for asset in assets for spec in asset.check_specs
    }
    sources = ("authors", "books", "movies", "reviews", "streams", "users")
    blocking = {("warehouse/streams", ROWS_ADD_UP.name), *((f"lake/{source}", ROWS_ADD_UP.name) for source in sources)}
    assert {key for key, is_blocking in found.items() if is_blocking} == blocking
    warning = {(f"warehouse/{source}", COMPLETE.name) for source in sources if source != "streams"}
    assert found.keys() > {*warning, *((f"lake/{source}", QUARANTINED.name) for source in sources)}
