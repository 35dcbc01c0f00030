"""Fetching one file by hand from an address, and loading it by the command."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dataflow_assets import cli
from dataflow_assets.collectors.base import CollectError
from dataflow_assets.collectors.fetch import fetch
from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.sql import execute
from dataflow_assets.settings import Settings
from dataflow_assets.sources import find_source
from dataflow_assets.sources.origins import S3, Ftp, HttpFile, Kafka, Sftp
from dataflow_assets.sources.origins.addresses import origin_at
from dataflow_assets.sources.origins.base import Origin
from dataflow_assets_tests.collectors import ftp_server
from dataflow_assets_tests.collectors.builders import write
from dataflow_assets_tests.collectors.ftp_server import FtpServer, serve_ftp
from dataflow_assets_tests.collectors.http_server import Answer, HttpServer
from dataflow_assets_tests.collectors.sftp_server import VARIABLE, SftpServer
from dataflow_assets_tests.collectors.vendor_bucket import Vendor

STREAMS = (
    "movie_title,user_email,size_mb,start_at,end_at\n"
    "Rust,a@b.example,1.0,2021-12-05T10:00:00+00:00,2021-12-05T11:00:00+00:00\n"
)
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJqxKDJbgqGe0iv3QeFMKAnHNFLfFNHxTUQa3Uod3Pt1"


def fetched(kind: type[Origin], address: str, folder: Path, **options: str) -> tuple[str, bytes]:
    """The name and the bytes of what is at an address."""
    folder.mkdir()
    path = fetch(replace(find_source("streams"), arrives=origin_at(kind, address, options)), "UTC", folder)
    return path.name, path.read_bytes()


def test_a_file_is_fetched_from_an_sftp_server(sftp: SftpServer, tmp_path: Path) -> None:
    write(sftp.folder, "out/Zoë & 1.csv", b"a")
    write(sftp.folder, "out/other.csv", b"b")
    options = {"host_key": sftp.public_key, "password": VARIABLE}
    where = f"sftp://dataflow@127.0.0.1:{sftp.port}/out"
    assert fetched(Sftp, f"{where}/Zo%C3%AB%20&%201.csv", tmp_path / "to", **options) == ("Zoë & 1.csv", b"a")
    with pytest.raises(CollectError, match="There is no such file at sftp://127"):
        fetched(Sftp, f"{where}/none.csv", tmp_path / "none", **options)


def test_a_file_is_fetched_from_an_ftp_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ftp_server.VARIABLE, ftp_server.PASSWORD)
    with serve_ftp(FtpServer(tmp_path / "remote")) as server:
        write(server.folder, "a.csv", b"a")
        address = f"ftp://{ftp_server.USER}@127.0.0.1:{server.port}/a.csv"
        found = fetched(Ftp, address, tmp_path / "to", password=ftp_server.VARIABLE, tls="false", quiet_seconds="0")
    assert found == ("a.csv", b"a")


def test_a_file_is_fetched_from_a_bucket_and_from_the_web(vendor: Vendor, web: HttpServer, tmp_path: Path) -> None:
    vendor.put("deep/a.csv", b"a")
    keys = {"access_key_id": "VENDOR_KEY_ID", "secret_access_key": "VENDOR_KEY", "endpoint": vendor.endpoint}
    assert fetched(S3, f"s3://{vendor.bucket}/out/deep/a.csv", tmp_path / "s3", **keys) == ("a.csv", b"a")
    web.answer = lambda asked: Answer(b"b", status=200 if asked.parameters == {"day": "5"} else 404)
    assert fetched(HttpFile, f"{web.url}/export?day=5", tmp_path / "web", name="b.csv") == ("b.csv", b"b")


@pytest.mark.parametrize(
    ("kind", "address", "options", "says"),
    [
        (Sftp, "ftp://me@host/a.csv", {}, "begins with none of sftp://"),
        (Sftp, "sftp://me:s3cret@host/a.csv", {}, "holds a password"),
        (Sftp, "sftp://me@host/folder/", {"host_key": KEY}, "the name of one file"),
        (Sftp, "sftp://me@host/*.csv", {"host_key": KEY}, "the name of one file"),
        (Sftp, "sftp://me@host/a.csv", {"password": "P"}, "does not say enough.*host_key"),
        (Sftp, "sftp://me@host/a.csv", {"host_key": KEY, "password": "s3cret"}, "not the name of an environment var"),
        (Sftp, "sftp://me@host/a.csv", {"colour": "red"}, "Sftp has no colour"),
        (Ftp, "ftp://me@host/a.csv", {"tls": "perhaps"}, "tls cannot be 'perhaps'"),
        (Kafka, "kafka://host/orders", {}, "is no broker"),
    ],
)
def test_an_address_that_names_nothing_is_refused_and_no_secret_is_shown(
    kind: type[Origin], address: str, options: dict[str, str], says: str
) -> None:
    with pytest.raises(ValueError, match=says) as refused:
        origin_at(kind, address, options)
    assert "s3cret" not in str(refused.value)


def test_what_a_declaration_says_of_a_server_holds_for_that_server_alone() -> None:
    declared = Sftp(host="host", user="me", folder="/out", pattern="*.csv", host_key=KEY, password="P", quiet_seconds=1)
    made = origin_at(Sftp, "sftp://host/old/a.csv", {}, declared)
    assert made == replace(declared, folder="/old", pattern="a.csv")
    for elsewhere in ("sftp://me@other/old/a.csv", "sftp://you@host/old/a.csv", "sftp://me@host:23/old/a.csv"):
        with pytest.raises(ValueError, match="does not say enough"):
            origin_at(Sftp, elsewhere, {}, declared)


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in this process: its exit code, and what it said."""

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["dataflow", "load", "--model", "streams", *arguments])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        return int(stopped.value.code or 0), capsys.readouterr().err

    return run


def test_a_file_on_the_web_is_loaded_by_its_address(run: Run, settings: Settings, web: HttpServer) -> None:
    web.answer = lambda asked: Answer(STREAMS.encode(), status=200 if asked.path == "/streams.csv" else 404)
    for _ in range(2):  # a repeat is harmless
        code, said = run("--collector", "http", "--config", f"{web.url}/streams.csv", "--delivered", "2021-12-06")
        assert code == 0, said
    assert settings.database_url
    with connect(settings.database_url.get_secret_value()) as connection:
        assert execute(connection, "SELECT count(*) FROM warehouse.streams") == [(1,)]
    code, said = run("--collector", "http", "--config", f"{web.url}/gone.csv")
    assert (code, "is not there (404)" in said) == (1, True)


def test_wrong_options_of_an_address_are_wrong_usage(run: Run, settings: Settings) -> None:
    for arguments, says in {
        ("--collector", "http", "--config", "ftp://host/a.csv"): "begins with none of http://, https://",
        ("--collector", "http", "--config", "http://host/a.csv", "--with", "token"): "write --with NAME=VALUE",
        ("--collector", "kafka", "--config", "kafka://host:9092/a"): "are read by Json",
        ("--collector", "csv", "--config", "a.csv", "--with", "token=A"): "--config is a file",
        ("--collector", "carrier-pigeon", "--config", "a.csv"): "elsewhere by ftp, http, kafka, s3, sftp",
    }.items():
        code, said = run(*arguments)
        assert (code, says in said.replace("\n", " ")) == (2, True), said
