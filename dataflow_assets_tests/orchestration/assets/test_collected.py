"""Landing as an asset that is run: by its schedule, for a day, for a range; and what is said where something fails."""

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime

import asyncssh
import dagster as dg
import pytest

from dataflow_assets.definitions import build_definitions
from dataflow_assets.doctor import examine
from dataflow_assets.doctor.collectors import collector
from dataflow_assets.errors import DeclarationError
from dataflow_assets.orchestration import retries
from dataflow_assets.orchestration.assets.collected import collect_config
from dataflow_assets.orchestration.checks import judge_past_day
from dataflow_assets.orchestration.checks.base import PastDay, Target
from dataflow_assets.orchestration.resources import open_stores
from dataflow_assets.settings import Settings
from dataflow_assets.sources import find_source
from dataflow_assets_tests.collectors.builders import LONG_AGO, write
from dataflow_assets_tests.collectors.conftest import sftp
from dataflow_assets_tests.collectors.declared import declared
from dataflow_assets_tests.collectors.sftp_server import SftpServer
from dataflow_assets_tests.collectors.sftp_source import source_at
from dataflow_assets_tests.faults.conftest import tries_again
from dataflow_assets_tests.orchestration.builders import Daemon, Platform, reasons, session, streams_csv, wanted

__all__ = ["sftp"]


@pytest.fixture
def platform(settings: Settings, sftp: SftpServer) -> Iterator[Platform]:
    """A platform whose streams arrive by SFTP."""
    # A schedule finds its instance only where that is kept somewhere.
    with declared(source_at(sftp, "streams_{day:%Y%m%d}*.csv")), dg.instance_for_test() as instance:
        yield Platform(settings, build_definitions(settings), instance)


def schedule(platform: Platform) -> dg.ScheduleDefinition:
    (found,) = (one for one in platform.definitions.schedules or () if one.name == "collect_streams")
    assert isinstance(found, dg.ScheduleDefinition)
    return found


@pytest.mark.parametrize("wrong", ["61 * * * *", "a b c d e", "0 5 31 2 *"])
def test_a_schedule_of_no_time_is_told(settings: Settings, sftp: SftpServer, wrong: str) -> None:
    with declared(source_at(sftp, schedule=wrong)), pytest.raises(DeclarationError) as told:
        build_definitions(settings)
    assert str(told.value).startswith(
        f"The source streams is declared to arrive by the schedule {wrong!r}, which is no"
    )


def ask(platform: Platform, moment: datetime) -> dg.RunRequest | str | None:
    """What the schedule asks for at a moment, or why for nothing."""
    with dg.build_schedule_context(platform.instance, scheduled_execution_time=moment) as context:
        said = schedule(platform).evaluate_tick(context)
    return said.run_requests[0] if said.run_requests else said.skip_message


def settle(platform: Platform) -> None:
    """Let what landed be as old as the sensor wants it."""
    for path in (platform.settings.home / "landing").rglob("*.csv"):
        os.utime(path, (LONG_AGO, LONG_AGO))


def collect_any_day(platform: Platform) -> dg.ExecuteInProcessResult:
    return platform.run("landing/streams", "2021-12-10", config=collect_config(find_source("streams")))


def test_what_the_schedule_asks_for_reaches_the_warehouse(platform: Platform, sftp: SftpServer) -> None:
    write(sftp.folder, "streams_20211205.csv", streams_csv(session("2021-12-04T10:00"), session("2021-12-05T10:00")))
    write(sftp.folder, "streams_20211206.csv", streams_csv(session("2021-12-06T10:00")))
    request = ask(platform, datetime(2021, 12, 10, 8, tzinfo=UTC))
    assert isinstance(request, dg.RunRequest)
    assert wanted(request) == ("landing/streams", "2021-12-10", "2021-12-10")
    result = platform.run("landing/streams", "2021-12-10", config=request.run_config)
    assert result.success, reasons(result)
    assert platform.partitions("landing/streams") == ["2021-12-05", "2021-12-06"]
    said = platform.metadata("landing/streams", "2021-12-05")
    assert (said["objects"], said["paths"]) == (1, "- `streams_20211205.csv`")
    assert said["bytes"] == (sftp.folder / "streams_20211205.csv").stat().st_size
    assert said["seconds"] > 0
    settle(platform)
    Daemon(platform).settle()
    assert platform.query("SELECT count(*) FROM warehouse.streams") == [(3,)]


def test_where_nothing_is_new_no_day_is_written(platform: Platform, sftp: SftpServer) -> None:
    assert collect_any_day(platform).success
    assert platform.partitions("landing/streams") == []


def test_a_range_brings_its_days_alone(platform: Platform, sftp: SftpServer) -> None:
    for day in ("20211204", "20211205", "20211206"):
        write(sftp.folder, f"streams_{day}.csv", streams_csv())
    result = platform.run("landing/streams", "2021-12-05", "2021-12-07")
    assert result.success, reasons(result)
    assert platform.partitions("landing/streams") == ["2021-12-05", "2021-12-06", "2021-12-07"]
    assert [platform.metadata("landing/streams", f"2021-12-0{day}")["objects"] for day in (5, 6, 7)] == [1, 1, 0]


def test_the_schedule_waits_for_a_run_that_collects(platform: Platform) -> None:
    job = platform.definitions.resolve_job_def("landing")
    run = platform.instance.create_run_for_job(job, asset_selection=frozenset([dg.AssetKey(["landing", "streams"])]))
    platform.instance.report_dagster_event(
        dg.DagsterEvent(dg.DagsterEventType.PIPELINE_STARTING.value, job_name="landing"), run.run_id
    )
    assert ask(platform, datetime(2021, 12, 10, 8, tzinfo=UTC)) == "A run is collecting already."


def test_a_failure_fails_one_run_and_keeps_nothing_else(platform: Platform, sftp: SftpServer) -> None:
    for day in ("20211204", "20211205"):
        write(sftp.folder, f"streams_{day}.csv", streams_csv())

    def deny(_: object, what: str, path: bytes) -> None:
        if what == "open" and b"1204" in path:
            raise asyncssh.SFTPPermissionDenied("no")

    sftp.hooks.append(deny)
    first = collect_any_day(platform)
    assert not first.success
    assert "streams_20211204.csv: the user dataflow may not read it" in reasons(first)
    assert tries_again(first) == 0
    assert platform.partitions("landing/streams") == ["2021-12-05"]
    assert collect_any_day(platform).success  # it was told


def test_a_server_that_is_away_is_tried_again(
    platform: Platform, sftp: SftpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "RETRIES", dg.RetryPolicy(max_retries=2, delay=0.1))
    sftp.stop()
    result = collect_any_day(platform)
    assert not result.success
    assert tries_again(result) == 2
    assert "cannot be reached" in reasons(result)
    sftp.start()


def test_a_wrong_password_is_not_tried_again(
    platform: Platform, sftp: SftpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_SFTP_PASSWORD", "wrong")
    result = collect_any_day(platform)
    assert not result.success
    assert tries_again(result) == 0


def test_a_day_without_a_delivery_is_told_with_what_keeps_it_away(platform: Platform, sftp: SftpServer) -> None:
    write(sftp.folder, "streams_20211205.csv", streams_csv())
    write(sftp.folder, "streams_20211206.csv", streams_csv())

    def deny(_: object, what: str, path: bytes) -> None:
        if what == "open" and b"1206" in path:
            raise asyncssh.SFTPPermissionDenied("no")

    sftp.hooks.append(deny)
    collect_any_day(platform)
    said = {day: judged(platform, day) for day in (date(2021, 12, 5), date(2021, 12, 6))}
    assert said[date(2021, 12, 5)] is None
    assert said[date(2021, 12, 6)] == (
        f"Nothing of streams that is delivered on 2021-12-06 came from sftp://127.0.0.1:{sftp.port}/. "
        "What could not be collected: streams_20211206.csv: the user dataflow may not read it."
    )


def judged(platform: Platform, day: date) -> str | None:
    """What the check of landing says of a day that is over; None where it passes."""
    past = PastDay(stores=open_stores(platform.settings), day=day, are_all_idle=True)
    [evaluation] = judge_past_day(past, Target("landing", find_source("streams")))
    assert evaluation.check_name == "delivered"
    return evaluation.description


def test_the_doctor_tries_the_server(platform: Platform, sftp: SftpServer) -> None:
    write(sftp.folder, "streams_20211205.csv")
    source = find_source("streams")
    said = collector(source, platform.settings)
    assert (said.state, said.sentence) == ("ok", f"sftp://127.0.0.1:{sftp.port}/ has 1 file of streams.")
    sftp.stop()
    names = {finding.name: finding for finding in examine(platform.settings)}
    sftp.start()
    assert names["collector of streams"].state == "problem"
    assert "cannot be reached" in names["collector of streams"].sentence
