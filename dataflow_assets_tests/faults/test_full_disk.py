"""A disk that is full stops a load wherever it is, says so, and costs nothing once there is space again."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from benchmarks.crashes import STEPS, sessions
from dataflow_assets import cli
from dataflow_assets.errors import RunFailedError, WarehouseUnavailableError
from dataflow_assets.lake.delta.table import rows_table
from dataflow_assets.landing.deliveries import Delivery
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.postgres import embedded
from dataflow_assets.postgres.migrate import upgrade
from dataflow_assets.settings import Settings, load_settings
from dataflow_assets.sources import find_source
from dataflow_assets_tests.faults.small_disk import SmallDisk, small_disk
from dataflow_assets_tests.loading import Worker, WorkerError, ask, deliver, summary, uneven_days
from dataflow_assets_tests.orchestration import builders
from dataflow_assets_tests.orchestration.builders import Platform

DAY = "2021-12-31"


@dataclass(frozen=True)
class OnSmallDisk:
    """A platform whose home, with landing, lake and published file, is on a small disk."""

    platform: Platform
    disk: SmallDisk

    def land(self, megabytes: float) -> Delivery:
        return self.platform.land("streams", DAY, sessions((5, 6), megabytes=megabytes, rows=100))

    def lake(self) -> list[tuple[Any, ...]]:
        table = rows_table(open_storage(self.platform.settings), find_source("streams"))
        return sorted(table.scan().collect().rows())

    def published(self) -> list[tuple[Any, ...]]:
        return self.platform.published("FROM published.median_session_size ORDER BY ALL")


@pytest.fixture
def on_small_disk(settings: Settings) -> Iterator[OnSmallDisk]:
    with small_disk(settings.home, 32) as disk, builders.platform(settings) as platform:
        yield OnSmallDisk(platform, disk)


def test_a_load_that_finds_the_disk_full_anywhere_is_as_if_it_had_not_begun(on_small_disk: OnSmallDisk) -> None:
    there, platform = on_small_disk, on_small_disk.platform
    platform.materialize(there.land(2))
    wanted, wanted_lake, wanted_published = platform.tables(), there.lake(), there.published()
    platform.materialize(there.land(1))
    before, lake_before, published_before = platform.tables(), there.lake(), there.published()
    delivery, stopped_in_lake = there.land(2), []
    for kilobytes in (0, 32, 1000):
        told = rf"A disk is full \(.*\): .* MB are free under {platform.settings.home} .* make space there"
        with there.disk.filled(left=kilobytes << 10):
            with pytest.raises(RunFailedError, match=told):
                platform.materialize(delivery)
            stopped_in_lake.append(there.lake() == lake_before)
            if stopped_in_lake[-1]:
                assert platform.tables() == before
            else:
                assert there.lake() == wanted_lake
            assert there.published() == published_before
    assert (stopped_in_lake[0], stopped_in_lake[-1]) == (True, False)
    platform.materialize(delivery)
    assert (platform.tables(), there.lake(), there.published()) == (wanted, wanted_lake, wanted_published)
    assert uneven_days(platform.settings) == []


def test_a_command_says_in_a_sentence_that_the_disk_is_full(
    clean_environment: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with small_disk(tmp_path / "full", 1) as disk, disk.filled(left=0):
        clean_environment.setattr(sys, "argv", ["dataflow", "sample", "--out", str(disk.folder)])
        with pytest.raises(SystemExit, match="1"):
            cli.main()
    [said] = capsys.readouterr().err.splitlines()
    assert json.loads(said)["event"].startswith("A disk is full ([Errno 28] No space left on device")


@pytest.fixture
def servers_disk(clean_environment: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[SmallDisk]:
    """A small disk for the embedded server of a home, and room elsewhere for all else."""
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    with small_disk(home / "postgres", 110) as disk:
        yield disk


def test_a_server_that_found_the_disk_full_has_what_was_committed(
    servers_disk: SmallDisk, clean_environment: pytest.MonkeyPatch
) -> None:
    home = servers_disk.folder.parent
    with ExitStack() as stack:
        url = stack.enter_context(embedded.acquire(home, durable=False)).url
        upgrade(url)
        clean_environment.setenv("DATABASE_URL", url)
        settings, worker = load_settings(), Worker()
        stack.callback(worker.kill)
        for step in (STEPS[1], STEPS[0]):
            worker.begin(deliver, settings, step)
            worker.result()
        expected = summary(settings)
        for megabytes in (0, 18):  # of the last there is too little for the log of what comes
            with servers_disk.filled(left=megabytes << 20):
                with pytest.raises(psycopg2.Error):
                    _write_much(settings)
                worker.begin(deliver, settings, STEPS[1])
                with suppress(WorkerError):
                    worker.result()
            stack.enter_context(embedded.acquire(home))  # if it gave up
            _wait_until_it_answers(settings)
            assert uneven_days(settings) == []
            worker.begin(deliver, settings, STEPS[0])
            worker.result()
            assert summary(settings) == expected
    with servers_disk.filled(left=0), pytest.raises(WarehouseUnavailableError, match="No space left on device"):
        embedded.acquire(home)
    with embedded.acquire(home):
        assert summary(settings) == expected


def _write_much(settings: Settings) -> None:
    ask(settings, "CREATE TABLE much AS SELECT generate_series(1, 1000000); SELECT 1")


def _wait_until_it_answers(settings: Settings, *, seconds: float = 300) -> None:
    """Return as soon as the server has repaired what it left."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            ask(settings, "SELECT 1")
        except psycopg2.OperationalError:
            assert time.monotonic() < deadline, "the server does not come back"
            time.sleep(0.05)
        else:
            return
