"""The landing sensor on a real object store and warehouse: what it asks for, and that its runs load."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import obstore
import pytest

from dataflow_assets import definitions
from dataflow_assets.lake.delta.table import rows_table
from dataflow_assets.lake.ingest import Intake
from dataflow_assets.landing import discovery, listing
from dataflow_assets.landing.discovery import DiscoveryCursor
from dataflow_assets.landing.storage import Storage, open_storage
from dataflow_assets.ledger.deliveries import record_delivery
from dataflow_assets.orchestration.automation import landing_sensor
from dataflow_assets.orchestration.automation.waiting import Look
from dataflow_assets.orchestration.planning import shares
from dataflow_assets.runtime.tags import STRETCHES, stretches_tags
from dataflow_assets.settings import Settings, load_settings
from dataflow_assets.sources import ControlFile, all_sources, find_source
from dataflow_assets.warehouse.bootstrap import open_warehouse
from dataflow_assets_tests.landing.stores import Gate, gate, s3_storage, s3_url
from dataflow_assets_tests.orchestration import builders
from dataflow_assets_tests.orchestration.builders import Platform, key, movies_csv, session, streams_csv, wanted

__all__ = ["gate", "s3_storage", "s3_url"]


def evaluate(platform: Platform) -> dg.SkipReason | list[dg.RunRequest]:
    """The sensor's answer: its requests, or why there is none."""
    found = platform.tick("landing_sensor")
    return found.requests or dg.SkipReason(found.reason or "")


def requests(platform: Platform) -> list[dg.RunRequest]:
    found = evaluate(platform)
    assert isinstance(found, list), f"nothing was asked for: {found}"
    return found


def is_quiet(platform: Platform) -> bool:
    return evaluate(platform) == dg.SkipReason("Nothing new in landing.")


def execute(platform: Platform, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
    """What the daemon does with a request."""
    return platform.definitions.resolve_job_def("lake").execute_in_process(
        instance=platform.instance,
        run_config=request.run_config,
        tags=request.tags,
        asset_selection=list(request.asset_selection or ()),
        raise_on_error=False,
    )


def test_an_empty_landing_asks_for_nothing(platform: Platform) -> None:
    assert is_quiet(platform)


def test_new_objects_ask_for_a_run_for_each_source_of_their_days_alone(platform: Platform) -> None:
    for day in ("2021-12-01", "2021-12-02", "2021-12-05"):
        platform.land("movies", day, movies_csv("Rust"))
    platform.land("movies", "2021-12-02", movies_csv("Heat"), "more.csv")
    platform.land("streams", "2021-12-02", streams_csv(session("2021-12-01T10:00")))
    asked = requests(platform)
    assert [wanted(request) for request in asked] == [
        ("lake/movies", "2021-12-01", "2021-12-05"),
        ("lake/streams", "2021-12-02", "2021-12-02"),
    ]
    assert asked[0].tags[STRETCHES] == "2021-12-01 to 2021-12-02, 2021-12-05"
    results = [execute(platform, request) for request in asked]
    assert all(result.success for result in results)
    assert platform.partitions("lake/movies") == ["2021-12-01", "2021-12-02", "2021-12-05"]
    judged = results[0].get_asset_check_evaluations()
    assert {evaluation.partition for evaluation in judged} == {"2021-12-01", "2021-12-02", "2021-12-05"}
    assert is_quiet(platform)


def test_the_objects_of_one_day_are_shared_out_among_workers_in_whatever_order_they_end(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landing_sensor, "count_slots", lambda _: 2)
    monkeypatch.setattr(shares, "LEAST_BYTES", shares.PART_BYTES)
    names = [f"{number}.csv" for number in range(6)]
    for name in names:
        platform.land("streams", "2021-12-02", streams_csv(session("2021-12-01T10:00", user=f"{name}@b.c")), name)
    asked = requests(platform)
    objects = [request.run_config["ops"]["lake__streams"]["config"]["objects"] for request in asked]
    assert sorted(key.rpartition("/")[2] for of_run in objects for key in of_run) == names
    assert [len(of_run) for of_run in objects] == [3, 1, 1, 1]
    assert all(execute(platform, request).success for request in reversed(asked))
    assert rows_table(open_storage(platform.settings), find_source("streams")).scan().collect().height == len(names)
    assert is_quiet(platform)


def test_the_same_objects_ask_by_the_same_key(platform: Platform) -> None:
    platform.land("movies", "2021-12-01", movies_csv("Rust"))
    (first,), (second,) = requests(platform), requests(platform)
    assert first.run_key
    assert first.run_key == second.run_key


def test_what_was_asked_for_is_loaded_and_not_asked_for_again(platform: Platform) -> None:
    platform.land("movies", "2021-12-01", movies_csv("Rust"))
    platform.land("streams", "2021-12-02", streams_csv(session("2021-12-01T10:00")))
    results = [execute(platform, request) for request in requests(platform)]
    assert [result.success for result in results] == [True, True]
    assert platform.partitions("lake/movies") == ["2021-12-01"]
    assert platform.partitions("lake/streams_days") == ["2021-12-01"]
    assert platform.query("SELECT source, accepted FROM ledger.deliveries ORDER BY source") == [
        ("movies", 1),
        ("streams", 1),
    ]
    assert is_quiet(platform)


def test_files_that_are_no_data_are_neither_asked_for_nor_strays(platform: Platform) -> None:
    platform.land("movies", "2021-12-01", movies_csv("Rust"), "prices_1.csv")
    for name in ("prices_1.done", "prices_1.ctl", "prices_1.csv.md5", "manifest.json", ".DS_Store", "_SUCCESS"):
        platform.land("movies", "2021-12-01", "rows=2", name)
    (request,) = requests(platform)
    assert request.run_config["ops"]["lake__movies"]["config"]["objects"] == [
        "landing/movies/2021-12-01/prices_1.csv",
    ]
    assert execute(platform, request).success
    assert platform.query("SELECT object, state FROM ledger.deliveries") == [
        ("landing/movies/2021-12-01/prices_1.csv", "accepted")
    ]
    assert platform.query("SELECT count(*) FROM ledger.strays") == [(0,)]
    assert is_quiet(platform)


def test_a_changed_object_asks_by_another_key(platform: Platform) -> None:
    platform.land("movies", "2021-12-01", movies_csv("Rust"))
    (first,) = requests(platform)
    execute(platform, first)
    platform.land("movies", "2021-12-01", movies_csv("Heat"))
    (second,) = requests(platform)
    assert wanted(second) == wanted(first)
    assert second.run_key != first.run_key
    assert execute(platform, second).success
    assert is_quiet(platform)


@pytest.fixture
def controlled(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    """A platform whose movies have control files."""
    control = ControlFile(name="{stem}.ctl", rows=r"rows=(\d+)")
    sources = tuple(replace(one, control=control) if one.name == "movies" else one for one in all_sources())
    monkeypatch.setattr(definitions, "all_sources", lambda: sources)
    with builders.platform(settings) as working:
        yield working


def test_what_contradicts_its_control_file_is_taken_in_once_that_comes_anew(controlled: Platform) -> None:
    controlled.land("movies", "2021-12-01", movies_csv("Rust"))
    controlled.land("movies", "2021-12-01", "rows=1", "file.ctl")
    assert execute(controlled, *requests(controlled)).success
    controlled.land("movies", "2021-12-01", movies_csv("Rust", "Heat"))
    (early,) = requests(controlled)
    execute(controlled, early)
    assert controlled.query("SELECT accepted FROM ledger.deliveries WHERE state = 'quarantined'") == [(1,)]
    assert is_quiet(controlled)
    controlled.land("movies", "2021-12-01", "rows=3", "file.ctl")
    (wrong,) = requests(controlled)
    execute(controlled, wrong)
    assert is_quiet(controlled)
    controlled.land("movies", "2021-12-01", "rows=2", "file.ctl")
    (right,) = requests(controlled)
    assert len({early.run_key, wrong.run_key, right.run_key}) == 3
    assert execute(controlled, right).success
    assert controlled.query("SELECT accepted FROM ledger.deliveries WHERE state = 'accepted'") == [(2,)]
    controlled.land("movies", "2021-12-01", "rows=7", "file.ctl")
    assert is_quiet(controlled)


def test_a_damaged_table_of_what_is_quarantined_keeps_no_other_source_from_landing(controlled: Platform) -> None:
    controlled.land("movies", "2021-12-01", movies_csv("Rust"))
    controlled.land("movies", "2021-12-01", "rows=2", "file.ctl")
    execute(controlled, *requests(controlled))
    log = controlled.settings.home / "lake" / "movies" / "_delta_log"
    for entry in log.glob("*.json"):
        entry.write_text("{")
    controlled.land("movies", "2021-12-01", "rows=1", "file.ctl")
    controlled.land("streams", "2021-12-02", streams_csv(session("2021-12-01T10:00")))
    assert [wanted(request)[0] for request in requests(controlled)] == ["lake/streams"]


def test_what_is_gone_from_landing_is_not_asked_for_by_its_control_file(controlled: Platform) -> None:
    landed = controlled.land("movies", "2021-12-01", movies_csv("Rust"))
    controlled.land("movies", "2021-12-01", "rows=2", "file.ctl")
    execute(controlled, *requests(controlled))
    (controlled.settings.home / landed.object).unlink()
    controlled.land("movies", "2021-12-01", "rows=1", "file.ctl")
    assert is_quiet(controlled)


def test_only_the_new_object_of_a_day_is_taken_in(platform: Platform) -> None:
    platform.land("streams", "2021-12-09", streams_csv(session("2021-12-01T10:00")), "one.csv")
    execute(platform, *requests(platform))
    platform.land("streams", "2021-12-09", streams_csv(session("2021-12-02T10:00")), "two.csv")
    assert execute(platform, *requests(platform)).success
    assert platform.partitions("lake/streams_days") == ["2021-12-01", "2021-12-02"]
    assert platform.metadata("lake/streams", "2021-12-09")["dagster/partition_row_count"] == 2


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED])
def test_what_a_run_under_way_takes_is_not_asked_for(platform: Platform, status: dg.DagsterRunStatus) -> None:
    for day in ("2021-12-01", "2021-12-03", "2021-12-05"):
        platform.land("movies", day, movies_csv("Rust"))
    (every,) = requests(platform)
    run = platform.instance.create_run_for_job(
        platform.definitions.resolve_job_def("lake"),
        tags=stretches_tags([("2021-12-01", "2021-12-01"), ("2021-12-05", "2021-12-05")]),
        status=status,
        asset_selection=frozenset([key("lake/movies")]),
    )
    assert [wanted(request) for request in requests(platform)] == [("lake/movies", "2021-12-03", "2021-12-03")]
    platform.instance.report_run_failed(run)
    assert [request.run_key for request in requests(platform)] == [every.run_key]


def test_what_failed_is_asked_for_again_after_a_pause(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    platform.land("movies", "2021-12-01", movies_csv("Rust"))
    (first,) = requests(platform)
    in_the_way = platform.settings.home / "lake/movies"
    in_the_way.parent.mkdir(exist_ok=True)
    in_the_way.write_text("no folder")
    assert not execute(platform, first).success
    in_the_way.unlink()
    assert evaluate(platform) == dg.SkipReason("What landed failed and waits.")
    monkeypatch.setattr(landing_sensor, "_FIRST_PAUSE", 0.0)
    (second,) = requests(platform)
    assert wanted(second) == wanted(first)
    assert second.run_key != first.run_key
    assert execute(platform, second).success
    assert is_quiet(platform)


def test_what_failed_is_taken_apart_from_what_lands_later(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landing_sensor, "_FIRST_PAUSE", 0.0)
    platform.land("movies", "2021-12-01", movies_csv("Rust"))
    (first,) = requests(platform)
    (platform.settings.home / "lake").mkdir(exist_ok=True)
    (platform.settings.home / "lake/movies").write_text("no folder")
    assert not execute(platform, first).success
    for day in ("2021-12-03", "2021-12-05"):
        platform.land("movies", day, movies_csv("Heat"))
    again, others = requests(platform)
    assert wanted(again) == wanted(first)
    assert others.tags[STRETCHES] == "2021-12-03, 2021-12-05"


def test_what_failed_is_asked_for_by_a_new_key_once_old_failures_are_forgotten(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster starts nothing for a key that a run has, and housekeeping removes old runs."""
    monkeypatch.setattr(landing_sensor, "_FIRST_PAUSE", 0.0)
    platform.land("movies", "2021-12-01", movies_csv("Rust"))
    (platform.settings.home / "lake").mkdir(exist_ok=True)
    (platform.settings.home / "lake/movies").write_text("no folder")
    runs: list[tuple[str | None, str]] = []
    for _ in range(3):
        (request,) = requests(platform)
        runs.append((request.run_key, execute(platform, request).run_id))
    assert len({key for key, _ in runs}) == 3
    platform.instance.delete_run(runs[0][1])
    (request,) = requests(platform)
    assert request.run_key not in [key for key, _ in runs[1:]]


@pytest.mark.parametrize(("failures", "seconds"), [(1, 60), (2, 120), (3, 240), (7, 3600), (2000, 3600)])
def test_the_pause_doubles_and_has_an_end(failures: int, seconds: float) -> None:
    assert landing_sensor._pause_after(failures) == seconds


def test_a_stray_is_reported_once_and_again_when_it_changes(
    platform: Platform, capfd: pytest.CaptureFixture[str]
) -> None:
    platform.land("movies", "2021-12-01", movies_csv("Rust"))
    platform.land("payments", "2021-12-01", "amount\n1\n")
    platform.land("movies", "2001-12-01", movies_csv("Rust"))
    landing = platform.settings.home / "landing"
    _copy(landing, "movies/stray.csv", "movies/2021-13-01/file.csv", "stray.csv", "movies/2021-12-01/tab\t.csv")

    def reported() -> set[str]:
        said = capfd.readouterr().err.splitlines()
        return {line.split(" - WARNING - landing/")[1] for line in said if " - WARNING - landing/" in line}

    (request,) = requests(platform)
    assert wanted(request) == ("lake/movies", "2021-12-01", "2021-12-01")
    outside = "is not at landing/<source>/<YYYY-MM-DD>/<name>"
    assert reported() == {
        "payments/2021-12-01/file.csv is of no known source",
        "movies/2001-12-01/file.csv is of a day without a partition",
        *(f"{name} {outside}" for name in ("movies/stray.csv", "movies/2021-13-01/file.csv", "stray.csv")),
        r"movies/2021-12-01/tab\t.csv has a name that cannot be read; rename or remove it",
    }
    assert execute(platform, request).success
    assert is_quiet(platform)
    assert reported() == set()
    (landing / "stray.csv").write_text("changed")
    assert is_quiet(platform)
    assert reported() == {f"stray.csv {outside}"}


# where it looks


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files come to rest a hundred times as slowly, so that a test may take its time."""
    for name in ("_SETTLING_SECONDS", "_GATHERING_SECONDS"):
        monkeypatch.setattr(landing_sensor, name, 100 * getattr(landing_sensor, name))


@pytest.mark.usefixtures("unhurried")
def test_an_object_that_may_be_written_still_is_waited_for(platform: Platform) -> None:
    for source, seconds in (("movies", 0.0), ("users", 1000.0), ("streams", -3600.0)):
        platform.land(source, "2021-12-01", "text", seconds_ago=seconds)
    assert [wanted(request)[0] for request in requests(platform)] == ["lake/streams", "lake/users"]
    platform.land("movies", "2021-12-01", "text", seconds_ago=250)
    assert len(requests(platform)) == 3


@pytest.mark.usefixtures("unhurried")
def test_what_arrives_together_is_one_run_and_waits_for_the_rest_no_longer_than_some_seconds(
    platform: Platform,
) -> None:
    first, second = "2021-12-01", "2021-12-02"
    for seconds, asked in ((500.0, []), (900.0, [("lake/movies", first, first)])):
        platform.land("movies", first, movies_csv("Rust"), seconds_ago=seconds)
        platform.land("movies", second, movies_csv("Heat"), seconds_ago=0)
        assert [wanted(request) for request in platform.tick("landing_sensor").requests] == asked
    platform.land("movies", first, movies_csv("Rust"), seconds_ago=500)
    platform.land("movies", second, movies_csv("Heat"), seconds_ago=250)
    assert [wanted(request) for request in requests(platform)] == [("lake/movies", first, second)]


def test_what_comes_to_rest_during_a_look_is_looked_at_again_soon(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Look] = []

    def look_once(look: Callable[[str | None], Look], cursor: str | None) -> dg.SensorResult:
        looks.append(look(cursor))
        return looks[-1].said

    landed = platform.land("movies", "2021-12-01", movies_csv("Rust"))
    slow = count(landed.last_modified.timestamp() + 1.2, 0.5)
    monkeypatch.setattr(landing_sensor, "look_until_there_is_something", look_once)
    monkeypatch.setattr(landing_sensor, "time", SimpleNamespace(time=lambda: next(slow)))
    assert platform.tick("landing_sensor").requests == []
    assert looks[0].again_in is not None
    assert looks[0].again_in < 2


@pytest.fixture
def many(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """A platform that knows an object of each of 60 days, and looks at few of them at a time."""
    monkeypatch.setattr(discovery, "_FEW_OBJECTS", 1)
    monkeypatch.setattr(listing.base, "PAGE", 1)
    for day in DAYS:
        delivery = platform.land("movies", day, movies_csv("Rust"))
        intake = Intake(delivery=delivery, version=1, delivered=1, accepted=1, rejected=0)
        record_delivery(open_warehouse(platform.settings), intake)
    return platform


DAYS = [(date(2021, 12, 1) + timedelta(days=number)).isoformat() for number in range(60)]


def test_a_late_object_among_many_is_found_in_time(many: Platform) -> None:
    many.land("movies", DAYS[30], movies_csv("Heat"), "late.csv")
    going, ticks = DiscoveryCursor(at=time.time() - 10), 1
    while not (found := many.tick("landing_sensor", str(going))).requests:
        going = DiscoveryCursor.parse(found.cursor)
        going.at, ticks = going.at - 10, ticks + 1  # as if so many seconds had gone by
    assert [wanted(request) for request in found.requests] == [("lake/movies", DAYS[30], DAYS[30])]
    assert 5 < ticks <= 60, "the default is ten minutes"


@pytest.mark.usefixtures("unhurried")
def test_what_waits_is_looked_at_again_wherever_it_lies(many: Platform) -> None:
    late = many.land("movies", DAYS[0], movies_csv("Heat"), "late.csv", seconds_ago=0)
    first = many.tick("landing_sensor", str(DiscoveryCursor(at=time.time())))
    assert (first.requests, first.reason) == (
        [],
        "What landed is being written, waits for a file beside it, or a run takes it.",
    )
    os.utime(many.settings.home / late.object, (late.last_modified.timestamp() - 6000,) * 2)
    second = many.tick("landing_sensor", first.cursor)
    assert [wanted(request) for request in second.requests] == [("lake/movies", DAYS[0], DAYS[0])]
    assert many.tick("landing_sensor", second.cursor).requests == [], "nobody waits for it any more"


# on S3


@dataclass(frozen=True)
class OnS3:
    platform: Platform
    storage: Storage
    gate: Gate


@pytest.fixture
def on_s3(s3_storage: Storage, gate: Gate, settings_on_s3: Settings) -> Iterator[OnS3]:
    with builders.platform(settings_on_s3) as platform:
        yield OnS3(platform, open_storage(settings_on_s3), gate)


@pytest.fixture
def settings_on_s3(gate: Gate, clean_environment: pytest.MonkeyPatch, database_url: str) -> Settings:
    clean_environment.setenv("DATABASE_URL", database_url)
    return load_settings()


def test_on_s3_a_tick_lists_in_few_requests(on_s3: OnS3) -> None:
    for day in DAYS[:20]:
        for source in ("movies", "users"):
            obstore.put(on_s3.storage.store, f"landing/{source}/{day}/a.csv", b"x")
    assert [wanted(request) for request in on_s3.platform.tick("landing_sensor").requests] == [
        *(("lake/movies", DAYS[0], DAYS[19]), ("lake/users", DAYS[0], DAYS[19])),
    ]
    assert on_s3.gate.lists == 1 + 2 + 2 + 2  # the sources; the days of each; the newest of each; the others of each


def test_while_s3_fails_ticks_fail_and_nothing_is_lost(on_s3: OnS3) -> None:
    platform, gate = on_s3.platform, on_s3.gate
    cursor = platform.tick("landing_sensor").cursor
    for day in DAYS[:5]:
        obstore.put(on_s3.storage.store, f"landing/movies/{day}/a.csv", movies_csv("Rust").encode())
    gate.is_open = False
    for _ in range(2):
        with pytest.raises(Exception, match="403"):
            platform.tick("landing_sensor", cursor)
    gate.is_open = True
    (request,) = platform.tick("landing_sensor", cursor).requests
    assert wanted(request) == ("lake/movies", DAYS[0], DAYS[4])
    assert execute(platform, request).success
    assert is_quiet(platform)


def _copy(landing: Path, *names: str) -> None:
    for name in names:
        (landing / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(landing / "movies/2021-12-01/file.csv", landing / name)
