"""Collecting from a real SFTP server: what lands, on which day, and that a repeat lands nothing."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import asyncssh
import pytest

from dataflow_assets.collectors.sink import LandingSink
from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.landing.storage import Storage
from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.sql import execute
from dataflow_assets_tests.collectors.builders import LONG_AGO, TODAY, Platform, write
from dataflow_assets_tests.collectors.sftp_server import PASSWORD, VARIABLE, Files, SftpServer
from dataflow_assets_tests.collectors.sftp_source import source_at

NAMES = [
    "with space.csv",
    "Zoë und 日本 🎬.csv",
    "100%.csv",
    "a+b&c=d.csv",
    "quote'\".csv",
    "back\\slash.csv",
    "[1]*.csv",
]


def test_files_land_on_the_day_that_their_names_say(sftp: SftpServer, storage: Storage, database_url: str) -> None:
    platform, source = Platform(storage, database_url), source_at(sftp, "streams_{day:%Y%m%d}*.csv")
    write(sftp.folder, "streams_20211205_a.csv", "first")
    write(sftp.folder, "streams_20211206.csv", b"x" * 3_000_000)
    write(sftp.folder, "streams_20211399.csv", "a day that is in no calendar")
    write(sftp.folder, "other.csv", "another source's")
    report = platform.collect(source)
    assert (report.failed, report.postponed, report.error) == ({}, {}, None)
    assert platform.landed(source) == {
        "2021-12-05/streams_20211205_a.csv": b"first",
        "2021-12-06/streams_20211206.csv": b"x" * 3_000_000,
    }
    assert platform.collect(source).landed == []


def test_a_changed_file_is_a_version_of_the_object_of_the_first_day(
    sftp: SftpServer, storage: Storage, database_url: str
) -> None:
    platform, source = Platform(storage, database_url), source_at(sftp)
    write(sftp.folder, "a.csv", "old")
    platform.collect(source)
    platform.today = TODAY + timedelta(days=3)
    assert platform.new(source) == []
    write(sftp.folder, "a.csv", "new", modified=LONG_AGO + 1)
    write(sftp.folder, "b.csv", "b")
    platform.collect(source)
    assert platform.landed(source) == {"2021-12-10/a.csv": b"new", "2021-12-13/b.csv": b"b"}


def test_a_file_that_is_written_over_every_day_is_a_delivery_of_each(sftp: SftpServer, platform: Platform) -> None:
    source = source_at(sftp, "users.csv", day_of="modification")
    for day, text in (("2021-12-04", "first"), ("2021-12-05", "second")):
        write(sftp.folder, "users.csv", text, modified=_midday(day))
        platform.collect(source)
    assert platform.landed(source) == {"2021-12-04/users.csv": b"first", "2021-12-05/users.csv": b"second"}


def _midday(day: str) -> float:
    return time.mktime(time.strptime(f"{day} 12:00 UTC", "%Y-%m-%d %H:%M %Z")) - time.timezone


def test_names_stay_as_they_are(sftp: SftpServer, storage: Storage, database_url: str) -> None:
    platform, source = Platform(storage, database_url), source_at(sftp)
    for name in NAMES:
        write(sftp.folder, f"{name}.csv", name)
    platform.collect(source)
    assert platform.landed(source) == {f"2021-12-10/{name}.csv": name.encode() for name in NAMES}
    assert platform.collect(source).landed == []


def test_equal_names_in_two_folders_are_two_objects(sftp: SftpServer, platform: Platform) -> None:
    source = source_at(sftp, "{day:%Y/%m/%d}/**/*.csv")
    write(sftp.folder, "2021/12/05/eu/a.csv", "eu")
    write(sftp.folder, "2021/12/05/us/a.csv", "us")
    write(sftp.folder, "2021/12/05/a.csv", "all")
    platform.collect(source)
    assert platform.landed(source) == {
        "2021-12-05/2021/12/05/a.csv": b"all",
        "2021-12-05/2021/12/05/eu/a.csv": b"eu",
        "2021-12-05/2021/12/05/us/a.csv": b"us",
    }


def test_only_folders_that_may_hold_some_are_listed(sftp: SftpServer, platform: Platform) -> None:
    for folder in ("2021/12", "2021/old", "archive/12"):
        write(sftp.folder, f"{folder}/05.csv")
    platform.collect(source_at(sftp, "{day:%Y/%m/%d}.csv"))
    assert [path for what, path in sftp.asked if what == "list"] == [b"/", b"/2021", b"/2021/12"]


def test_a_link_to_a_file_is_followed(sftp: SftpServer, platform: Platform) -> None:
    source = source_at(sftp, "latest.csv")
    write(sftp.folder, "20211205.csv", "newest")
    (sftp.folder / "latest.csv").symlink_to("20211205.csv")
    platform.collect(source)
    assert platform.landed(source) == {"2021-12-10/latest.csv": b"newest"}


def test_what_is_named_unfinished_waits(sftp: SftpServer, platform: Platform) -> None:
    for name in ("a.csv.part", "b.tmp", ".c.csv", "d.csv.filepart", "E.CSV.TMP", "incoming.tmp/f.csv"):
        write(sftp.folder, name)
    assert platform.new(source_at(sftp, "**/*")) == []


@pytest.mark.parametrize("skew", [-30.0, 0.0, 7200.0], ids=["behind", "equal", "ahead"])
def test_a_file_lands_once_it_is_seen_unchanged_whatever_the_servers_clock_says(
    sftp: SftpServer, platform: Platform, skew: float
) -> None:
    source = source_at(sftp)
    write(sftp.folder, "a.csv", "whole", modified=time.time() + skew)
    start = time.monotonic()
    platform.collect(source)
    assert platform.landed(source) == {"2021-12-10/a.csv": b"whole"}
    assert time.monotonic() - start > 0.3


def test_a_file_that_grows_waits(sftp: SftpServer, platform: Platform) -> None:
    source, path = source_at(sftp), write(sftp.folder, "a.csv", "half", modified=time.time())

    def grow(_: Files, what: str, __: bytes) -> None:
        if what == "open":
            with path.open("a") as file:
                file.write(" more")

    sftp.hooks.append(grow)
    report = platform.collect(source)
    assert report.postponed == {"a.csv": "it is being changed there"}
    assert platform.landed(source) == {}
    sftp.hooks.clear()
    platform.collect(source)
    assert platform.landed(source) == {"2021-12-10/a.csv": b"half more"}


def test_only_what_is_of_the_wanted_days_is_brought(sftp: SftpServer, platform: Platform) -> None:
    source = source_at(sftp, "{day:%Y%m%d}.csv")
    for day in ("20211204", "20211205", "20211206"):
        write(sftp.folder, f"{day}.csv")
    platform.collect(source, date(2021, 12, 5))
    assert set(platform.landed(source)) == {"2021-12-05/20211205.csv"}
    assert platform.new(source) == ["20211204.csv", "20211206.csv"]


def test_a_key_opens_the_door_too(sftp: SftpServer, platform: Platform, tmp_path: Path) -> None:
    sftp.user_key = asyncssh.generate_private_key("ssh-ed25519")
    path = tmp_path / "key"
    sftp.user_key.write_private_key(path, passphrase=PASSWORD)
    write(sftp.folder, "a.csv", "whole")
    source = source_at(sftp, password=None, key_file=str(path), key_passphrase=VARIABLE)
    platform.collect(source)
    assert platform.landed(source) == {"2021-12-10/a.csv": b"whole"}


def test_two_collectors_at_once_land_each_file_once(sftp: SftpServer, platform: Platform) -> None:
    source = source_at(sftp)
    for number in range(20):
        write(sftp.folder, f"{number}.csv", str(number))
    days = [TODAY, TODAY + timedelta(days=1)]  # midnight passes between them
    platforms = [replace(platform, today=day) for day in days]
    with ThreadPoolExecutor() as pool:
        reports = list(pool.map(lambda each: each.collect(source), platforms))
    landed = platforms[0].landed(source)
    assert sorted(name.split("/")[1] for name in landed) == sorted(f"{number}.csv" for number in range(20))
    assert sum(len(report.landed) for report in reports) == 20


def test_what_another_landed_since_it_was_found_is_not_put_again(
    sftp: SftpServer, platform: Platform, tmp_path: Path
) -> None:
    source = source_at(sftp)
    write(sftp.folder, "a.csv", "a")
    record = platform.record(source)
    [(_, remote)] = platform.collecting.find_new(source, record)
    assert len(platform.collect(source).landed) == 1
    late = LandingSink(source.name, TODAY, Landing(platform.storage), record, platform.said.append)
    assert late.land(remote, write(tmp_path, "late", "other bytes")) is None
    assert late.report.landed == []
    assert platform.landed(source) == {"2021-12-10/a.csv": b"a"}


def test_without_its_record_a_file_lands_where_it_lay(sftp: SftpServer, platform: Platform) -> None:
    source = source_at(sftp)
    write(sftp.folder, "a.csv", "a")
    platform.collect(source)
    with connect(platform.url) as connection:
        execute(connection, "TRUNCATE ledger.collected")
    platform.today = TODAY + timedelta(days=5)
    platform.collect(source)
    assert platform.landed(source) == {"2021-12-10/a.csv": b"a"}


def test_ten_thousand_files_are_listed_once(sftp: SftpServer, platform: Platform) -> None:
    source = source_at(sftp)
    for number in range(10_000):
        (sftp.folder / f"{number:05}.csv").touch()
    assert len(platform.new(source)) == 10_000
    assert [what for what, _ in sftp.asked] == ["list"]
