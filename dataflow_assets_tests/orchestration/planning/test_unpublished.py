"""Which partitions of an answer the published file may not hold, by what was recorded of runs."""

from datetime import date

import dagster as dg

from dataflow_assets.analytics import find_answer
from dataflow_assets.orchestration.planning.unpublished import find_unpublished
from dataflow_assets.orchestration.resources import open_stores
from dataflow_assets_tests.orchestration.builders import Platform, postgres, session, streams_csv

FIFTH, SIXTH = date(2021, 12, 5), date(2021, 12, 6)
BOTH = "analytics/average_session published/average_session"


def unpublished(platform: Platform) -> set[date]:
    answer, file = find_answer("average_session"), platform.settings.published_file
    url = open_stores(platform.settings).url
    return find_unpublished(platform.instance, url, file, answer, [FIFTH, SIXTH])


def test_without_a_file_or_with_another_one_all_is_missing(platform: Platform) -> None:
    assert unpublished(platform) == {FIFTH, SIXTH}
    assert platform.run(BOTH, "2021-12-05", "2021-12-06").success
    assert unpublished(platform) == set()
    platform.settings.published_file.write_text("no database")
    assert unpublished(platform) == {FIFTH, SIXTH}


def test_what_was_made_and_published_is_not_missing(platform: Platform) -> None:
    platform.materialize(platform.land("streams", "2021-12-31", streams_csv(session("2021-12-05T10:00"))))
    assert unpublished(platform) == set()


def test_what_was_made_alone_is_missing(platform: Platform) -> None:
    assert platform.run(BOTH, "2021-12-05", "2021-12-06").success
    assert platform.run("analytics/average_session", "2021-12-06").success
    assert unpublished(platform) == {SIXTH}


def test_what_a_run_was_about_to_publish_when_it_ended_is_missing(platform: Platform) -> None:
    assert platform.run(BOTH, "2021-12-05", "2021-12-06").success
    with postgres(platform.settings) as cursor:
        cursor.execute("ALTER TABLE analytics.average_session RENAME TO elsewhere")
    assert not platform.run(BOTH, "2021-12-06").success
    with postgres(platform.settings) as cursor:
        cursor.execute("ALTER TABLE analytics.elsewhere RENAME TO average_session")
    made = platform.instance.fetch_materializations(dg.AssetKey(["analytics", "average_session"]), limit=9).records
    assert len(made) == 2, "the table was made by the first run alone"
    assert unpublished(platform) == {SIXTH}
