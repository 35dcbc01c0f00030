"""A database and the lake that it was made from: another lake, an older one and a lost one are refused, and mended."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from dataflow_assets.doctor import contents
from dataflow_assets.errors import LakeMismatchError, SchemaMismatchError
from dataflow_assets.lake.delta.table import rows_table
from dataflow_assets.lake.ingest import ingest
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.ledger.lake import bind_lake, require_tables
from dataflow_assets.settings import Settings
from dataflow_assets.sources import all_sources, find_source
from dataflow_assets.sources.base import Events
from dataflow_assets.warehouse.bootstrap import open_server_of, open_warehouse
from dataflow_assets.warehouse.rebuild import rebuild_warehouse, require_whole_lake
from dataflow_assets_tests.landing.stores import land
from dataflow_assets_tests.loading import Landed, ask, deliver
from dataflow_assets_tests.orchestration.builders import session, streams_csv

DAY = date(2021, 12, 31)
STREAMS = find_source("streams")


def bind(settings: Settings) -> None:
    """What every run does before it writes anything."""
    storage = open_storage(settings)
    url = open_warehouse(settings)
    bind_lake(url, storage, settings.first_day)
    require_tables(url, storage, [STREAMS])


def bring(settings: Settings, name: str, *sessions: str) -> None:
    """Land a file, and take it in, as a run does."""
    settings.home.mkdir(exist_ok=True)
    bind(settings)
    deliver(lambda _: None, settings, [Landed("streams", DAY, name, streams_csv(*sessions))])
    bind(settings)


def rebuild(settings: Settings) -> None:
    storage = open_storage(settings)
    list(rebuild_warehouse(open_server_of(settings), storage, all_sources(), settings.timezone, settings.first_day))


def titles(settings: Settings) -> list[str]:
    return [title for (title,) in ask(settings, "SELECT movie_title FROM warehouse.streams ORDER BY 1")]


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(LakeMismatchError) as refused:
        act()
    return str(refused.value)


@pytest.fixture
def lake(settings: Settings) -> Path:
    """The folder of a lake that has one file, and the copy `old` beside it that has only that."""
    bring(settings, "a.csv", session("2021-12-01T10:00", movie="A"))
    shutil.copytree(settings.home / "lake", settings.home / "old")
    bring(settings, "b.csv", session("2021-12-02T10:00", movie="B"))
    return settings.home / "lake"


def put_old_lake(lake: Path) -> None:
    shutil.rmtree(lake)
    shutil.copytree(lake.with_name("old"), lake)


def test_another_lake_is_refused_by_commands_and_runs(settings: Settings, lake: Path) -> None:
    other = settings.model_copy(update={"home": settings.home.with_name("other")})
    said = refusal(lambda: open_warehouse(other))
    assert f"and there is no lake at {other.home}" in said
    assert "set DATAFLOW_HOME or S3_BUCKET to where it is" in said
    (other.home / "lake").mkdir(parents=True)
    (other.home / "lake/lake_id").write_text("another\n")
    said = refusal(lambda: bind(other))
    assert f"and the one at {other.home} is another. Nothing was changed" in said
    assert "or use another database for this lake" in said
    assert contents.lake(settings).state == "ok"
    assert refusal(lambda: contents.lake(other)) == said
    assert refusal(lambda: require_whole_lake(open_server_of(other), open_storage(other), [STREAMS])) == said
    assert titles(settings) == ["A", "B"]


def test_an_older_lake_is_refused_until_all_is_made_from_it(settings: Settings, lake: Path) -> None:
    put_old_lake(lake)
    said = refusal(lambda: bind(settings))
    assert "The lake's table streams is at version 1, older than the database, which has records of version 2." in said
    assert "stop the platform and run `dataflow rebuild`" in said
    found = contents.lake(settings)
    assert (found.state, found.sentence.startswith(said.partition(" Nothing was")[0])) == ("problem", True)
    rebuild(settings)
    assert titles(settings) == ["A"]
    assert ask(settings, "SELECT object FROM ledger.deliveries") == [(f"landing/streams/{DAY}/a.csv",)]
    assert contents.lake(settings).state == "ok"
    bring(settings, "b.csv", session("2021-12-02T10:00", movie="B"))
    assert titles(settings) == ["A", "B"], "the file that the older lake did not have is taken in again"


def test_an_older_lake_that_was_written_on_is_another_history(
    settings: Settings, lake: Path, database_url: str
) -> None:
    known = ask(settings, "SELECT version FROM ledger.lake_tables WHERE \"table\" = 'streams'")
    put_old_lake(lake)
    storage = open_storage(settings)
    for name in ("x.csv", "y.csv", "z.csv"):  # by another database, say
        landed = land(storage, STREAMS, name, streams_csv(session("2021-12-03T10:00", movie=name)), DAY)
        assert ingest(storage, STREAMS, landed.object, "UTC", first_day=settings.first_day)
    said = refusal(lambda: bind(settings))
    assert f"The lake's table streams has another commit at version {known[0][0]} than the one" in said
    rebuild(settings)
    bind(settings)
    assert titles(settings) == ["A", "x.csv", "y.csv", "z.csv"]


@pytest.mark.parametrize("is_made_again", [False, True])
def test_a_lost_table_is_refused_until_the_lake_is_accepted(
    settings: Settings, lake: Path, *, is_made_again: bool
) -> None:
    shutil.rmtree(lake / "streams")
    if is_made_again:
        rows_table(open_storage(settings), STREAMS).open()
        assert "The lake's table streams is another one" in refusal(lambda: bind(settings))
    else:
        assert "The lake's table streams is gone" in refusal(lambda: bind(settings))
        url, storage = open_warehouse(settings), open_storage(settings)
        said = refusal(lambda: require_whole_lake(url, storage, all_sources()))
        assert "does not have the tables streams any more" in said
        assert "`dataflow rebuild --accept-lake`" in said
    assert titles(settings) == ["A", "B"]
    rebuild(settings)
    assert titles(settings) == []
    assert ask(settings, "SELECT count(*) FROM ledger.deliveries") == [(0,)]
    bind(settings)


def test_nothing_is_made_from_a_lake_with_the_dates_of_another_event_time(settings: Settings, lake: Path) -> None:
    assert isinstance(STREAMS, Events)
    changed = replace(STREAMS, event_time="end_at", end_time=None, longest=None)
    sources = [source for source in all_sources() if source != STREAMS]
    made = ask(settings, "SELECT * FROM ledger.event_days ORDER BY event_day")
    everything = (open_server_of(settings), open_storage(settings), [*sources, changed], "UTC", settings.first_day)
    with pytest.raises(SchemaMismatchError, match=r"streams holds each event by the date of start_at, .* end_at now"):
        list(rebuild_warehouse(*everything))
    assert (titles(settings), ask(settings, "SELECT * FROM ledger.event_days ORDER BY event_day")) == (["A", "B"], made)


def test_rows_that_a_restore_of_a_table_removed_are_noticed_and_found_again(settings: Settings, lake: Path) -> None:
    rows_table(open_storage(settings), STREAMS).open().restore(1)
    found = contents.lake(settings)
    assert found.state == "problem"
    assert f"It does not hold the rows that are recorded of landing/streams/{DAY}/b.csv" in found.sentence
    rebuild(settings)
    assert titles(settings) == ["A"]
    states = "SELECT object, state FROM ledger.deliveries ORDER BY 1"
    assert [state for _, state in ask(settings, states)] == ["accepted", "superseded"], "in landing, b.csv is new"
    assert contents.lake(settings).state == "ok"
    bring(settings, "b.csv", session("2021-12-02T10:00", movie="B"))
    assert titles(settings) == ["A", "B"]


def test_a_first_day_that_was_moved_later_is_noticed(settings: Settings, lake: Path) -> None:
    later = settings.model_copy(update={"first_day": date(2021, 12, 15)})
    bind(later)
    found = contents.lake(later)
    assert (found.state, found.sentence) == (
        "warning",
        "DATAFLOW_FIRST_DAY is 2021-12-15, and was 2021-11-01: nothing makes the days between again.",
    )
    earlier = settings.model_copy(update={"first_day": date(2021, 1, 1)})
    bind(earlier)
    assert contents.lake(earlier).state == "ok"
    assert "and was 2021-01-01" in contents.lake(settings).sentence
