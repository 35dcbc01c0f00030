"""Who waits is woken by the end of a run, by a partition that was made, and by a file that landed."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from dataflow_assets.landing.deliveries import Delivery
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.ledger.pending import note_objects
from dataflow_assets.postgres.connection import connect
from dataflow_assets.runtime import notices as notices_module
from dataflow_assets.runtime.instance import open_instance
from dataflow_assets.runtime.masking import MaskedRuns
from dataflow_assets.runtime.notices import Notices
from dataflow_assets.settings import Settings
from dataflow_assets_tests.landing.stores import land
from dataflow_assets_tests.runtime.tiny_definitions import defs
from dataflow_assets_tests.waiting import wait_until

_LONG = 600.0


@pytest.fixture
def heard(settings: Settings) -> Iterator[Notices]:
    """Notices of an instance and of landing, heard in threads of this process."""
    heard = Notices()
    with open_instance(settings):
        works = (notices_module._hear_of_runs, settings), (notices_module._watch, settings.home)
        threads = [threading.Thread(target=work, args=(of, heard), daemon=True) for work, of in works]
        for thread in threads:
            thread.start()
        wait_until(lambda: heard.count > 0 and heard.is_watching)  # that it hears is the first that it tells
        yield heard
        heard.end()


def seconds_until_woken(heard: Notices, count: int) -> float:
    start = time.monotonic()
    heard.wait(count, _LONG)
    return time.monotonic() - start


def test_the_end_of_a_run_wakes(settings: Settings, heard: Notices) -> None:
    count = heard.count
    with open_instance(settings) as instance:
        assert defs.resolve_job_def("quick_job").execute_in_process(instance=instance).success
    assert seconds_until_woken(heard, count) < _LONG / 2


def test_who_is_woken_by_the_end_of_a_run_finds_that_it_has_ended(
    settings: Settings, heard: Notices, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_status = MaskedRuns.handle_run_event

    def store_late(storage: Any, run_id: str, event: dg.DagsterEvent, *rest: Any) -> None:
        if event.event_type is dg.DagsterEventType.RUN_SUCCESS:
            time.sleep(1)  # the event itself is stored already
        store_status(storage, run_id, event, *rest)

    monkeypatch.setattr(MaskedRuns, "handle_run_event", store_late)
    monkeypatch.setattr(notices_module, "_SOON_SECONDS", _LONG)  # what the run made is no news before its end
    monkeypatch.setattr(notices_module, "_STATUS_SECONDS", _LONG)
    count = heard.count
    with open_instance(settings) as instance, ThreadPoolExecutor(1) as beside:
        made = beside.submit(defs.resolve_job_def("quick_job").execute_in_process, instance=instance)
        heard.wait(count, _LONG)
        (run,) = instance.get_runs()
        assert (run.status, made.result().success) == (dg.DagsterRunStatus.SUCCESS, True)


def test_a_partition_that_was_made_in_a_run_that_goes_on_wakes(settings: Settings, heard: Notices) -> None:
    count = heard.count
    with open_instance(settings) as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization("quick"))
    assert seconds_until_woken(heard, count) < _LONG / 2


def test_what_is_of_no_interest_wakes_nobody(settings: Settings, heard: Notices) -> None:
    count = heard.count
    with open_instance(settings) as instance:
        instance.report_runless_asset_event(dg.AssetObservation("quick"))
        time.sleep(2 * notices_module._SOON_SECONDS)
    assert heard.count == count


def test_a_file_that_landed_wakes_and_says_where(settings: Settings, heard: Notices) -> None:
    source = settings.home / "landing/movies"
    count = heard.count
    source.mkdir()
    heard.wait(count, _LONG)
    count = heard.count
    folder = source / "2021-12-01"
    folder.mkdir()
    (folder / "movies.csv").write_text("title\n")
    assert seconds_until_woken(heard, count) < _LONG / 2
    wait_until(lambda: "landing/movies/2021-12-01/" in heard.take_landed())


@pytest.fixture
def delivery(settings: Settings) -> Delivery:
    """What landed before anybody watched."""
    return land(open_storage(settings), "movies", "a.csv", "title\n")


def test_what_a_store_tells_the_api_wakes(
    settings: Settings, delivery: Delivery, heard: Notices, database_url: str
) -> None:
    count = heard.count
    with connect(database_url) as connection:
        assert note_objects(connection, open_storage(settings), [delivery.object]) == 1
    assert seconds_until_woken(heard, count) < _LONG / 2


def test_those_that_nobody_would_wake_wait_for_seconds_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices_module, "_DEAF_SECONDS", 0.1)
    deaf = Notices()
    assert seconds_until_woken(deaf, deaf.count) < _LONG / 2


def test_the_end_wakes_all_and_for_good() -> None:
    heard = Notices()
    heard.is_hearing = True
    threading.Timer(0.1, heard.end).start()
    assert seconds_until_woken(heard, heard.count) < _LONG / 2
    assert seconds_until_woken(heard, heard.count) < _LONG / 2


def test_paths_become_folders_of_days(tmp_path: Path) -> None:
    paths = ["landing/movies/2021-12-01/a.csv", "landing/movies/2021-12-01", "landing/movies", "landing/stray.csv"]
    found = set(notices_module._folders(tmp_path, [str(tmp_path / path) for path in paths]))
    assert found == {"landing/movies/2021-12-01/"}
