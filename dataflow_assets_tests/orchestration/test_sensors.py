"""The landing sensor on a real object store and warehouse: what it asks for, and that its runs load."""

import shutil
from pathlib import Path

import dagster as dg
import pytest

from dataflow_assets.orchestration import sensors
from dataflow_assets.orchestration.partitions import range_tags
from dataflow_assets_tests.orchestration.made import Platform, key, movies_csv, session, streams_csv, wanted


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


def test_new_objects_ask_for_a_run_for_each_source_and_stretch_of_days(platform: Platform) -> None:
    for day in ("2021-12-01", "2021-12-02", "2021-12-05"):
        platform.land("movies", day, movies_csv("Rust"))
    platform.land("movies", "2021-12-02", movies_csv("Heat"), "more.csv")
    platform.land("streams", "2021-12-02", streams_csv(session("2021-12-01T10:00")))
    assert [wanted(request) for request in requests(platform)] == [
        ("lake/movies", "2021-12-01", "2021-12-02"),
        ("lake/movies", "2021-12-05", "2021-12-05"),
        ("lake/streams", "2021-12-02", "2021-12-02"),
    ]


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
    assert platform.query("SELECT source, accepted FROM warehouse.deliveries ORDER BY source") == [
        ("movies", 1),
        ("streams", 1),
    ]
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


def test_only_the_new_object_of_a_day_is_taken_in(platform: Platform) -> None:
    platform.land("streams", "2021-12-09", streams_csv(session("2021-12-01T10:00")), "one.csv")
    execute(platform, *requests(platform))
    platform.land("streams", "2021-12-09", streams_csv(session("2021-12-02T10:00")), "two.csv")
    assert execute(platform, *requests(platform)).success
    assert platform.partitions("lake/streams_days") == ["2021-12-01", "2021-12-02"]
    assert platform.metadata("lake/streams", "2021-12-09")["dagster/partition_row_count"] == 2


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED])
def test_what_a_run_under_way_takes_is_not_asked_for(platform: Platform, status: dg.DagsterRunStatus) -> None:
    platform.land("movies", "2021-12-01", movies_csv("Rust"))
    platform.land("movies", "2021-12-03", movies_csv("Rust"))
    first, second = requests(platform)
    run = platform.instance.create_run_for_job(
        platform.definitions.resolve_job_def("lake"),
        tags=range_tags("2021-12-01", "2021-12-01"),
        status=status,
        asset_selection=frozenset([key("lake/movies")]),
    )
    assert [request.run_key for request in requests(platform)] == [second.run_key]
    platform.instance.report_run_failed(run)
    assert [request.run_key for request in requests(platform)] == [first.run_key, second.run_key]


def test_what_failed_is_asked_for_again_after_a_pause(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    platform.land("movies", "2021-12-01", movies_csv("Rust"))
    (first,) = requests(platform)
    in_the_way = platform.settings.home / "lake"
    in_the_way.write_text("no folder")
    assert not execute(platform, first).success
    in_the_way.unlink()
    assert evaluate(platform) == dg.SkipReason("What landed failed and waits.")
    monkeypatch.setattr(sensors, "_FIRST_PAUSE", 0.0)
    (second,) = requests(platform)
    assert wanted(second) == wanted(first)
    assert second.run_key != first.run_key
    assert execute(platform, second).success
    assert is_quiet(platform)


@pytest.mark.parametrize(("failures", "seconds"), [(1, 60), (2, 120), (3, 240), (7, 3600), (2000, 3600)])
def test_the_pause_doubles_and_has_an_end(failures: int, seconds: float) -> None:
    assert sensors._pause_after(failures) == seconds


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


def _copy(landing: Path, *names: str) -> None:
    for name in names:
        (landing / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(landing / "movies/2021-12-01/file.csv", landing / name)
