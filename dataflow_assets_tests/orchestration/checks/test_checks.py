"""The checks of what runs have written: an evaluation for each day, and what it says."""

from typing import NamedTuple

import dagster as dg
import pytest

from dataflow_assets.orchestration.checks.columns_as_declared import CHECK as COLUMNS
from dataflow_assets.orchestration.runs.in_process import Materializer
from dataflow_assets_tests.orchestration import builders
from dataflow_assets_tests.orchestration.builders import Platform, key, movies_csv
from dataflow_assets_tests.orchestration.runs.test_in_process import kept_changing

OTHER = "mood,title,duration_mins,original_language,size_mb,year\ngood,Rust,90,en,1,1999\n"
LACKING = "title,duration_mins,size_mb\nOpen,90,1\n"


class Evaluated(NamedTuple):
    day: str
    passed: bool
    description: str


def evaluations(platform: Platform, run: dg.DagsterRun | None = None) -> list[Evaluated]:
    """What the newest run, or another, has evaluated, in order."""
    run = run or platform.instance.get_runs(limit=1)[0]
    entries = platform.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    every = [entry.get_dagster_event().event_specific_data for entry in entries]
    found = [one for one in every if isinstance(one, dg.AssetCheckEvaluation) and one.check_name == COLUMNS.name]
    return [Evaluated(str(one.partition), one.passed, one.description or "") for one in found]


def test_columns_that_were_kept_out_are_told_for_each_day(platform: Platform) -> None:
    other = platform.land("movies", "2021-12-01", OTHER)
    lacking = platform.land("movies", "2021-12-01", LACKING, "lacking.csv")
    platform.land("movies", "2021-12-02", movies_csv("Heat"))
    assert platform.run("lake/movies warehouse/movies", "2021-12-01", "2021-12-03").success
    *passed, warned = evaluations(platform)
    assert passed == [Evaluated("2021-12-02", True, ""), Evaluated("2021-12-03", True, "")]
    assert warned == Evaluated(
        "2021-12-01",
        False,
        f"movies of 2021-12-01. {other.object}: not declared and kept out: 'mood', 'year'. "
        f"{lacking.object}: absent and without values: 'original_language'. To take new columns in, declare them as "
        "nullable, generate the migration and load the files again.",
    )
    said = platform.metadata("lake/movies", "2021-12-01")
    assert (said["undeclared_columns"], said["undeclared_column_names"]) == (2, ["mood", "year"])
    assert (said["missing_columns"], said["missing_column_names"]) == (1, ["original_language"])
    assert platform.metadata("lake/movies", "2021-12-02")["undeclared_columns"] == 0
    assert platform.query("SELECT title FROM warehouse.movies ORDER BY 1") == [("Heat",), ("Open",), ("Rust",)]


def test_a_day_warns_until_each_of_its_files_is_as_declared(platform: Platform) -> None:
    platform.land("movies", "2021-12-01", OTHER, "one.csv")
    assert platform.run("lake/movies", "2021-12-01").success
    materializer = Materializer(platform.settings, lambda: platform.definitions, platform.instance, lambda _: None)
    for _ in range(2):  # the second time nothing is read
        materializer.materialize([platform.land("movies", "2021-12-01", movies_csv("Heat"), "two.csv")])
        [warning] = materializer.warnings
        assert "one.csv: not declared" in warning
        assert "two.csv" not in warning
    materializer.materialize([platform.land("movies", "2021-12-01", movies_csv("Rust"), "one.csv")])
    assert materializer.warnings == []


def test_a_day_that_fails_keeps_no_other_day_from_its_evaluation(platform: Platform) -> None:
    platform.land("movies", "2021-12-01", OTHER)
    restless = platform.land("movies", "2021-12-02", movies_csv("Heat"))
    with kept_changing(platform.settings.home / restless.object):
        assert not platform.run("lake/movies", "2021-12-01", "2021-12-02").success
    assert ("2021-12-01", False) in [one[:2] for one in evaluations(platform)]


def test_many_files_and_columns_are_told_in_few_words(platform: Platform) -> None:
    header = ",".join(f"more {number:02}" for number in range(15))
    for number in range(12):
        platform.land(
            "movies", "2021-12-01", f"title,duration_mins,original_language,size_mb,{header}\n", f"{number}.csv"
        )
    assert platform.run("lake/movies", "2021-12-01").success
    [warned] = evaluations(platform)
    assert "7.csv and 2 more: not declared and kept out: 'more 00', " in warned.description
    assert "'more 09' and 5 more." in warned.description


def test_a_warning_blocks_nothing_and_stands_at_the_asset(platform: Platform) -> None:
    check = dg.AssetCheckKey(key("lake/movies"), COLUMNS.name)
    spec = next(spec for spec in _check_specs(platform) if spec.key == check)
    assert not spec.blocking
    assert {spec.asset_key.to_user_string() for spec in _check_specs(platform) if spec.name == COLUMNS.name} == {
        f"lake/{name}" for name in ("authors", "books", "movies", "reviews", "streams", "users")
    }


def _check_specs(platform: Platform) -> list[dg.AssetCheckSpec]:
    assets = [asset for asset in platform.definitions.assets or () if isinstance(asset, dg.AssetsDefinition)]
    return [spec for asset in assets for spec in asset.check_specs]


@pytest.mark.parametrize("layer", ["lake", "warehouse"])
def test_a_changed_type_fails_with_the_sentence_that_says_so(platform: Platform, layer: str) -> None:
    platform.land("movies", "2021-12-01", movies_csv("Rust"))
    assert platform.run("lake/movies", "2021-12-01").success
    [first] = (platform.settings.home / "lake/movies/_delta_log").glob("*0.json")
    first.write_text(first.read_text().replace(r"\"size_mb\",\"type\":\"double\"", r"\"size_mb\",\"type\":\"string\""))
    assert "string" in first.read_text()
    result = platform.run(f"{layer}/movies", "2021-12-01")
    assert not result.success
    assert "movies holds the column size_mb as string" in builders.reasons(result)
