"""Collecting from Debian's vsftpd: it knows no MLSD, and each transfer must take up the session of the commands."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dataflow_assets.core.ports import free_port
from dataflow_assets.runtime.process_group import is_listening
from dataflow_assets.sources.base import Source
from dataflow_assets.sources.origins import Ftp
from dataflow_assets_tests.collectors.builders import LONG_AGO, Platform, arriving, write
from dataflow_assets_tests.collectors.ftp_server import write_certificate
from dataflow_assets_tests.waiting import wait_until

PROGRAM = os.environ.get("DATAFLOW_VSFTPD") or shutil.which("vsftpd", path="/usr/sbin:/usr/bin")

pytestmark = [
    pytest.mark.skipif(PROGRAM is None, reason="vsftpd is not installed: `apt-get install vsftpd`, or DATAFLOW_VSFTPD"),
    pytest.mark.skipif(os.geteuid() != 0, reason="vsftpd serves other users than its own only as root"),
]


@pytest.fixture(params=["plain", "tls"])
def vsftpd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """A server's folder, and what a declaration says of the server."""
    tmp_path.chmod(0o755)
    for parent in list(tmp_path.parents)[:2]:
        parent.chmod(0o755)
    folder, port, certificate = tmp_path / "remote", free_port(), write_certificate(tmp_path)
    for made in (folder, tmp_path / "empty"):
        made.mkdir(mode=0o755)
    said = {
        "background": "NO", "listen": "YES", "listen_address": "127.0.0.1", "listen_port": port,
        "seccomp_sandbox": "NO", "secure_chroot_dir": tmp_path / "empty",
        "anonymous_enable": "YES", "local_enable": "NO", "no_anon_password": "YES",
        "ftp_username": "daemon", "anon_root": folder, "pasv_address": "127.0.0.1",
    }  # fmt: skip
    if request.param == "tls":
        said |= {"ssl_enable": "YES", "allow_anon_ssl": "YES", "force_anon_data_ssl": "YES"}
        said |= {"force_anon_logins_ssl": "YES", "rsa_cert_file": certificate, "ssl_ciphers": "HIGH"}
    config = tmp_path / "vsftpd.conf"
    config.write_text("".join(f"{name}={value}\n" for name, value in said.items()))
    with subprocess.Popen([str(PROGRAM), str(config)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            _await(process, port)
            secure = {"tls": True, "ca_file": str(certificate)} if request.param == "tls" else {"tls": False}
            yield folder, {"host": "127.0.0.1", "port": port, "user": "anonymous", "folder": "/", **secure}
        finally:
            process.kill()


def _await(process: subprocess.Popen[bytes], port: int) -> None:
    wait_until(lambda: is_listening(port) or process.poll() is not None)
    assert process.poll() is None, process.stdout and process.stdout.read()


def source_at(said: dict[str, Any]) -> Source:
    return arriving(Ftp(pattern="**/*.csv", quiet_seconds=0.3, **said))


def test_files_land_once_and_changed_ones_again(vsftpd: tuple[Path, dict[str, Any]], platform: Platform) -> None:
    folder, said = vsftpd
    source = source_at(said)
    big = os.urandom(3_000_000)
    write(folder, "with space.csv", "old")
    write(folder, "Zoë/a.csv", big, modified=time.time() - 86_400)
    report = platform.collect(source)
    assert (report.failed, report.postponed, report.error) == ({}, {}, None)
    assert platform.landed(source) == {"2021-12-10/with space.csv": b"old", "2021-12-10/Zoë/a.csv": big}
    assert platform.collect(source).landed == []
    write(folder, "with space.csv", "new", modified=LONG_AGO + 60)  # the listing says the same day
    write(folder, "b.csv", "b")
    assert "b.csv" in [one.remote.path for one in platform.collect(source).landed]


def test_a_file_that_may_not_be_read_fails_alone(vsftpd: tuple[Path, dict[str, Any]], platform: Platform) -> None:
    folder, said = vsftpd
    source = source_at(said)
    write(folder, "a.csv", "a")
    write(folder, "b.csv", "b").chmod(0o600)
    report = platform.collect(source)
    assert "550" in report.failed["b.csv"]
    assert platform.landed(source) == {"2021-12-10/a.csv": b"a"}


def test_a_folder_that_is_gone_is_said(vsftpd: tuple[Path, dict[str, Any]], platform: Platform) -> None:
    error = platform.collect(source_at({**vsftpd[1], "folder": "/nowhere"})).error
    assert "cannot be listed: 550" in str(error)
