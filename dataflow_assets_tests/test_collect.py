"""`dataflow collect` as a user runs it, with the declarations that the how-to pages show, in a copy of the program."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from dataflow_assets_tests.collectors import ftp_server, sftp_server
from dataflow_assets_tests.collectors.builders import write
from dataflow_assets_tests.collectors.http_server import Answer, serve_http
from dataflow_assets_tests.conftest import REPOSITORY
from dataflow_assets_tests.processes import environment_with
from dataflow_assets_tests.program_copy import copy_program
from dataflow_assets_tests.warm import run_dataflow

STREAMS = (
    "movie_title,user_email,size_mb,start_at,end_at\n"
    "Rust,a@b.example,1.0,2021-12-05T10:00:00+00:00,2021-12-05T11:00:00+00:00\n"
)
COUNT = ("query", "--format", "csv", "-c", "SELECT count(*) FROM warehouse.streams")

Run = Callable[..., subprocess.CompletedProcess[str]]


def blocks(page: str) -> list[str]:
    """The Python that a how-to page shows."""
    return re.findall(r"```python\n(.*?)```", (REPOSITORY / "docs/how-to" / page).read_text(), re.DOTALL)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the program."""
    copy = tmp_path / "program"
    copy_program(copy)
    return copy


@pytest.fixture
def run(copy: Path, tmp_path: Path) -> Run:
    environment = environment_with(DATAFLOW_HOME=str(tmp_path / "home"), PYTHONPATH=str(copy))
    environment |= {"SFTP_PASSWORD": sftp_server.PASSWORD, "FTP_PASSWORD": ftp_server.PASSWORD}

    return lambda *arguments: run_dataflow(arguments, environment, tmp_path, copy)


def declare(copy: Path, shown: str, arrives: str = "ARRIVES") -> None:
    """Let streams arrive from where some lines say."""
    path = copy / "dataflow_assets/sources/streams.py"
    before, after = path.read_text().split("SOURCE = Events(\n")
    path.write_text(f"{before}{shown}\nSOURCE = Events(\n    arrives={arrives},\n{after}")


def test_what_the_page_on_sftp_shows_brings_files_to_the_warehouse(copy: Path, run: Run, tmp_path: Path) -> None:
    [shown] = blocks("collect-sftp.md")
    with sftp_server.serve(tmp_path / "outgoing") as server:
        server.folder = tmp_path
        arrives = shown.replace("sftp.example.com", "127.0.0.1").replace("ssh-ed25519 AAAA…", server.public_key)
        arrives = arrives.replace("host_key=", f"port={server.port}, host_key=")
        declare(copy, arrives)
        write(tmp_path, "outgoing/streams_20211205.csv", STREAMS)

        looked = run("collect", "--source", "streams", "--dry-run", "--json")
        assert looked.returncode == 0, looked.stderr
        assert [(row["path"], row["state"], row["day"]) for row in json.loads(looked.stdout)] == [
            ("streams_20211205.csv", "new", "2021-12-05")
        ]
        loaded = run("collect", "--source", "streams", "--load")
        assert loaded.returncode == 0, loaded.stderr
        assert "streams_20211205.csv" in loaded.stdout
        assert run(*COUNT).stdout.splitlines()[-1] == "1"

        again = run("collect", "--json")
        assert (again.returncode, json.loads(again.stdout)) == (0, [])
        doctor = {one["name"]: one for one in json.loads(run("doctor", "--json").stdout)}
        assert doctor["collector of streams"]["state"] == "ok"
    gone = run("collect")
    assert gone.returncode == 1
    assert "cannot be reached" in gone.stderr
    assert "Traceback" not in gone.stderr


def test_what_the_page_on_ftp_shows_brings_files(copy: Path, run: Run, tmp_path: Path) -> None:
    [shown] = blocks("collect-ftp.md")
    server = ftp_server.FtpServer(tmp_path, ftp_server.write_certificate(tmp_path))
    write(tmp_path, "outgoing/streams_20211205.csv", STREAMS)
    with ftp_server.serve_ftp(server):
        arrives = shown.replace("ftp.example.com", "127.0.0.1")
        arrives = arrives.replace("user=", f'port={server.port}, ca_file="{server.certificate}", user=')
        declare(copy, arrives)
        landed = run("collect", "--json")
    assert landed.returncode == 0, landed.stderr
    assert [(row["path"], row["state"]) for row in json.loads(landed.stdout)] == [("streams_20211205.csv", "landed")]


def test_a_collector_of_ones_own_is_two_files(copy: Path, run: Run, tmp_path: Path) -> None:
    page = (REPOSITORY / "docs/how-to/write-a-collector.md").read_text()
    places = re.findall(r"`(dataflow_assets/\S+/share\.py)`", page)
    for place, text in zip(places, blocks("write-a-collector.md"), strict=True):
        (copy / place).write_text(text)
    [arrives] = re.findall(r"`arrives=(Share\(.*?\))`", page)
    share = tmp_path / "share"
    shown = "from dataflow_assets.sources.origins.share import Share\n"
    declare(copy, shown, arrives.replace("/mnt/share", str(share)))
    for arguments in (["--dry-run"], []):
        missing = run("collect", *arguments)
        assert (missing.returncode, f"There is no folder {share}; mount it" in missing.stderr) == (1, True)
        assert "nothing new" not in missing.stderr
    write(share, "a.csv", STREAMS)
    loaded = run("collect", "--load")
    assert loaded.returncode == 0, loaded.stderr
    assert run(*COUNT).stdout.splitlines()[-1] == "1"
    assert json.loads(run("collect", "--json").stdout) == []


def test_what_lands_on_a_day_without_a_partition_is_told(copy: Path, run: Run) -> None:
    headers = {"Last-Modified": "Thu, 01 Jan 1970 00:00:01 GMT", "ETag": '"1"'}
    with serve_http() as web:
        web.answer = lambda _: Answer(STREAMS.encode(), headers=headers)
        shown = "from dataflow_assets.sources.origins import HttpFile\n"
        declare(copy, shown, f'HttpFile(url="{web.url}/streams.csv")')
        for arguments, state in ((["--dry-run"], "new"), ([], "landed")):
            done = run("collect", "--json", *arguments)
            assert done.returncode == 0, done.stderr
            [row] = json.loads(done.stdout)
            assert (row["state"], row["day"]) == (state, "1970-01-01")
            assert row["reason"] == "the day has no partition, so nothing takes it"


def test_what_one_source_has_is_looked_at_where_another_cannot_be(copy: Path, run: Run) -> None:
    with serve_http() as web:
        web.answer = lambda asked: Answer(STREAMS.encode()) if asked.path == "/streams.csv" else Answer(status=404)
        shown = "from dataflow_assets.sources.origins import HttpFile\n"
        declare(copy, shown, f'HttpFile(url="{web.url}/streams.csv")')
        path = copy / "dataflow_assets/sources/movies.py"
        before, after = path.read_text().split("SOURCE = Snapshot(\n")
        path.write_text(
            f'{before}{shown}\nSOURCE = Snapshot(\n    arrives=HttpFile(url="{web.url}/movies.json"),\n{after}'
        )
        done = run("collect", "--json", "--dry-run")
    assert (done.returncode, "/movies.json is not there (404)" in done.stderr) == (1, True)
    assert [row["source"] for row in json.loads(done.stdout)] == ["streams"]


def test_a_source_that_arrives_from_nowhere_is_said(run: Run) -> None:
    done = run("collect", "--source", "users")
    assert (done.returncode, "users does not say from where it arrives" in done.stderr) == (2, True)
