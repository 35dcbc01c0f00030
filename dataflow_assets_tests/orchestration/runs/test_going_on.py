"""A run of the lake that goes on: which one does, what it makes, and what the sensors ask for after it."""

import dagster as dg
import pytest

from dataflow_assets.errors import RunFailedError
from dataflow_assets.orchestration.runs import going_on
from dataflow_assets.orchestration.runs.in_process import Materializer
from dataflow_assets.runtime.instance import open_instance
from dataflow_assets.runtime.run_worker import record_failure
from dataflow_assets.runtime.tags import ANSWERED, GOES_ON, PART_OF
from dataflow_assets_tests.orchestration.builders import Platform, movies_csv, postgres, session, streams_csv

ANSWERS = ("average_session", "median_session_size", "book_based_share", "sessions_in_progress", "engaged_users")
ALONE = "2021-12-02"
STARTED = dg.DagsterRunStatus.STARTED


@pytest.fixture(autouse=True)
def repository(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a run of this process the repository, which Dagster gives those that are launched."""
    found = platform.definitions.get_repository_def()
    monkeypatch.setattr(dg.AssetExecutionContext, "repository_def", property(lambda _: found))


def requests(platform: Platform) -> list[dg.RunRequest]:
    return platform.tick("landing_sensor").requests


def land_small(platform: Platform) -> None:
    platform.land("streams", ALONE, streams_csv(session("2021-12-01T10:00")))


def make(platform: Platform) -> dg.ExecuteInProcessResult:
    """Take one small delivery into the lake, by a run that goes on."""
    land_small(platform)
    return platform.run("lake/streams", ALONE, tags={GOES_ON: "true"})


def asked(platform: Platform) -> list[str]:
    """What the sensors ask for that follow from the lake."""
    found = [platform.tick(sensor).requests for sensor in ("warehouse_sensor", "answers_sensor")]
    return [asset.to_user_string() for requests in found for one in requests for asset in one.asset_selection or ()]


def test_the_run_of_one_small_delivery_goes_on(platform: Platform) -> None:
    land_small(platform)
    (request,) = requests(platform)
    assert GOES_ON in request.tags


def test_no_run_goes_on_while_another_one_waits(platform: Platform) -> None:
    platform.instance.create_run_for_job(platform.definitions.resolve_job_def("warehouse"), status=STARTED)
    land_small(platform)
    (request,) = requests(platform)
    assert GOES_ON not in request.tags


def test_no_run_goes_on_where_several_are_asked_for(platform: Platform) -> None:
    platform.land("movies", ALONE, movies_csv("Rust"))
    land_small(platform)
    assert [GOES_ON in request.tags for request in requests(platform)] == [False, False]


def test_no_run_of_much_goes_on(platform: Platform) -> None:
    platform.land("streams", ALONE, streams_csv(*[session("2021-12-01T10:00")] * 60_000))
    (request,) = requests(platform)
    assert GOES_ON not in request.tags


def test_what_goes_on_makes_the_warehouse_and_the_answers_and_nothing_is_asked_for_after_it(
    platform: Platform,
) -> None:
    assert make(platform).success
    assert platform.query("SELECT count(*) FROM warehouse.streams") == [(1,)]
    for answer in ANSWERS:
        assert platform.query(f"SELECT count(*) FROM analytics.{answer} WHERE day = '2021-12-01'") == [(1,)], answer
        assert "2021-12-01" in platform.partitions(f"published/{answer}")
    assert asked(platform) == []


def test_a_file_that_comes_again_makes_nothing_again(platform: Platform) -> None:
    assert make(platform).success
    again = make(platform)
    assert again.success
    assert platform.instance.get_runs(dg.RunsFilter(tags={PART_OF: again.run_id})) == []
    assert asked(platform) == []


def test_the_sensors_ask_for_nothing_that_a_run_will_make_as_it_goes_on(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    during: list[list[str]] = []

    def look(_: Materializer, __: object) -> None:
        during.append(asked(platform))

    monkeypatch.setattr(Materializer, "follow", look)
    assert make(platform).success
    assert during == [[]]
    assert asked(platform) == ["warehouse/streams"]


def test_what_a_run_cannot_go_on_with_is_asked_for_again(platform: Platform) -> None:
    assert platform.run("lake/streams", "2021-12-01").success  # makes the tables
    with postgres(platform.settings) as cursor:
        cursor.execute("ALTER TABLE warehouse.streams RENAME COLUMN size_mb TO size")  # and the load fails
    assert make(platform).success
    assert asked(platform) == ["warehouse/streams"]


def test_answers_that_a_run_could_not_make_are_asked_for_again(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(Materializer, "_run_answers", fail)
    assert make(platform).success
    assert platform.query("SELECT count(*) FROM warehouse.streams") == [(1,)]
    assert {f"analytics/{answer}" for answer in ANSWERS} < set(asked(platform))


@pytest.mark.parametrize(("most", "loaded", "left"), [(3, 0, ["warehouse/streams"]), (4, 4, [])])
def test_a_run_of_several_deliveries_leaves_what_they_touched_to_others_where_it_is_much(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, most: int, loaded: int, left: list[str]
) -> None:
    monkeypatch.setattr(going_on, "MOST_DAYS", most)
    for day in range(1, 5):
        platform.land("streams", f"2021-12-{day + 1:02}", streams_csv(session(f"2021-12-{day:02}T10:00")))
    (request,) = requests(platform)
    assert platform.run("lake/streams", "2021-12-02", "2021-12-05", tags=request.tags).success
    assert platform.query("SELECT count(*) FROM warehouse.streams") == [(loaded,)]
    assert asked(platform) == left


def test_what_a_killed_run_went_on_with_has_failed_too(platform: Platform) -> None:
    job = platform.definitions.resolve_job_def("warehouse")
    with open_instance(platform.settings) as instance:
        first = instance.create_run_for_job(job, status=STARTED)
        part = instance.create_run_for_job(job, status=STARTED, tags={PART_OF: first.run_id})
        record_failure(first.run_id, "by signal 9")
        ended = [instance.get_run_by_id(run.run_id) for run in (first, part)]
    assert [run.status for run in ended if run] == [dg.DagsterRunStatus.FAILURE] * 2


def test_a_run_that_is_canceled_as_it_goes_on_ends_so(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    def cancel(*_: object) -> None:
        (run,) = platform.instance.get_runs(dg.RunsFilter(statuses=[STARTED]))
        platform.instance.report_run_canceling(run)
        raise RunFailedError("interrupted")

    monkeypatch.setattr(Materializer, "follow", cancel)
    result = make(platform)
    run = platform.instance.get_run_by_id(result.run_id)
    assert run
    assert run.status is dg.DagsterRunStatus.CANCELED


def test_only_runs_whose_answers_are_made_say_so(platform: Platform) -> None:
    result = make(platform)
    parts = platform.instance.get_runs(dg.RunsFilter(tags={PART_OF: result.run_id}))
    assert len(parts) == 5
    assert all(ANSWERED in part.tags and part.is_success for part in parts)
    run = platform.instance.get_run_by_id(result.run_id)
    assert run
    assert ANSWERED not in run.tags
