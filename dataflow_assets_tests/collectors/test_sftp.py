"""Collecting from a real SFTP server: what lands, on which day, and that a repeat lands nothing."""

from typing import Any

from dataflow_assets.landing.storage import Storage
from dataflow_assets.sources.base import Source
from dataflow_assets.sources.origins import Sftp
from dataflow_assets_tests.collectors.builders import Platform, arriving, write
from dataflow_assets_tests.collectors.sftp_server import USER, VARIABLE, SftpServer


def source_at(server: SftpServer, pattern: str = "*.csv", **more: Any) -> Source:
    """Streams that arrive from the server."""
    settled = {"quiet_seconds": 0.3, "password": VARIABLE, **more}
    return arriving(
        Sftp(
            host="127.0.0.1",
            port=server.port,
            user=USER,
            folder="/",
            pattern=pattern,
            host_key=server.public_key,
            **settled,
        )
    )


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
