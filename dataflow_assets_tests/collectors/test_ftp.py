"""Collecting from a real FTP server, plain and with TLS, with MLSD and without."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from dataflow_assets.collectors.base import CollectError, UnreachableError
from dataflow_assets_tests.collectors import ftp_server
from dataflow_assets_tests.collectors.builders import LONG_AGO, Platform, write
from dataflow_assets_tests.collectors.ftp_server import VARIABLE, FtpServer, serve_ftp, source_at, write_certificate

BIG = os.urandom(3_000_000)
NAMES = ("with space", "Zoë und 日本 🎬", "100%", "a+b&c=d", "-la", "back\\slash", "[1]*", " begins with a blank")
WITHOUT = {"facts": (), "list": ("MLSD", "MLST"), "old": ("MLSD", "MLST", "MDTM", "FEAT")}  # what a server knows not


@pytest.fixture(params=["plain-facts", "tls-facts", "plain-list", "plain-old"])
def ftp(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FtpServer]:
    """Servers of an empty folder, one after the other."""
    monkeypatch.setenv(VARIABLE, ftp_server.PASSWORD)
    way, _, kind = request.param.partition("-")
    certificate = write_certificate(tmp_path) if way == "tls" else None
    with serve_ftp(FtpServer(tmp_path / "remote", certificate, WITHOUT[kind])) as running:
        yield running


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FtpServer]:
    """A plain server of an empty folder, with MLSD."""
    monkeypatch.setenv(VARIABLE, ftp_server.PASSWORD)
    with serve_ftp(FtpServer(tmp_path / "remote")) as running:
        yield running


@pytest.fixture
def secure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FtpServer]:
    """A server with TLS."""
    monkeypatch.setenv(VARIABLE, ftp_server.PASSWORD)
    with serve_ftp(FtpServer(tmp_path / "remote", write_certificate(tmp_path))) as running:
        yield running


def once(server: FtpServer, when: str, act: Callable[[Any], object], *, at: int = 0) -> None:
    """Do something when a client first asks for something, of a read only from some place in the file on."""

    def hook(channel: Any, what: str, about: str) -> None:
        if what == when and (what != "read" or int(about) >= at):
            server.hooks.remove(hook)
            act(channel)

    server.hooks.append(hook)


def test_a_link_to_a_folder_in_which_it_lies_is_not_followed(plain: FtpServer, platform: Platform) -> None:
    source = source_at(plain, "**/*.csv")
    write(plain.folder, "a.csv")
    write(plain.folder, "new/b.csv")
    (plain.folder / "loop").symlink_to(".")
    (plain.folder / "new/up").symlink_to("..")
    (plain.folder / "latest").symlink_to("new")
    platform.collect(source)
    names = {key.partition("/")[2] for key in platform.landed(source)}
    assert names == {"a.csv", "new/b.csv", "latest/b.csv"}


def test_files_land_once_and_changed_ones_again(ftp: FtpServer, platform: Platform) -> None:
    source = source_at(ftp, "{day:%Y-%m-%d}/**/*.csv")
    write(ftp.folder, "2021-12-05/eu/a.csv", "eu")
    write(ftp.folder, "2021-12-05/us/a.csv", BIG)
    write(ftp.folder, "2021-12-06/a.csv", "")
    report = platform.collect(source)
    assert (report.failed, report.postponed, report.error) == ({}, {}, None)
    assert platform.landed(source) == {
        "2021-12-05/2021-12-05/eu/a.csv": b"eu",
        "2021-12-05/2021-12-05/us/a.csv": BIG,
        "2021-12-06/2021-12-06/a.csv": b"",
    }
    assert platform.collect(source).landed == []
    write(ftp.folder, "2021-12-05/eu/a.csv", "EU!", modified=LONG_AGO + 86_400)
    assert [one.remote.path for one in platform.collect(source).landed] == ["2021-12-05/eu/a.csv"]
    assert platform.landed(source)["2021-12-05/2021-12-05/eu/a.csv"] == b"EU!"


def test_names_stay_as_they_are(ftp: FtpServer, platform: Platform) -> None:
    source = source_at(ftp)
    for name in NAMES:
        write(ftp.folder, f"{name}.csv", name)
    assert platform.collect(source).failed == {}
    assert platform.landed(source) == {f"2021-12-10/{name}.csv": name.encode() for name in NAMES}


def test_a_file_that_is_written_still_waits(ftp: FtpServer, platform: Platform) -> None:
    source, path = source_at(ftp), write(ftp.folder, "a.csv", "half", modified=time.time())
    write(ftp.folder, "b.csv.part", "half")

    def grow(_: Any) -> None:
        with path.open("a") as file:
            file.write(" more")

    once(ftp, "open", grow)
    assert platform.collect(source).postponed == {"a.csv": "it is being changed there"}
    assert platform.landed(source) == {}
    platform.collect(source)
    assert platform.landed(source) == {"2021-12-10/a.csv": b"half more"}


def test_one_bad_file_fails_alone_and_is_told_once(ftp: FtpServer, platform: Platform) -> None:
    source = source_at(ftp)
    for name in ("a.csv", "b.csv", "c.csv"):
        write(ftp.folder, name, name)
    write(ftp.folder, os.fsdecode(b"caf\xe9.csv"))

    def deny(_: Any, what: str, path: str) -> None:
        if what == "open" and path.endswith("b.csv"):
            raise PermissionError(13, "Permission denied")

    ftp.hooks.append(deny)
    first, second = platform.collect(source), platform.collect(source)
    assert set(platform.landed(source)) == {"2021-12-10/a.csv", "2021-12-10/c.csv"}
    assert "the server refuses it: 550" in first.failed["b.csv"]
    assert (len(first.failed), first.told, second.told) == (2, set(), set(first.failed))


def test_what_the_server_cannot_give_now_fails_alone(ftp: FtpServer, platform: Platform) -> None:
    source = source_at(ftp, "**/*.csv")
    for name in ("a.csv", "b.csv", "c.csv", "d/e.csv"):
        write(ftp.folder, name, name)
    ftp.refuse({("RETR", "b.csv"): "450 It is busy.", ("CWD", "d"): "451 It cannot be read."})
    report = platform.collect(source)
    assert report.error is None
    assert report.failed == {
        "b.csv": "the server refuses it: 450 It is busy",
        "d/": "this folder cannot be listed: 451 It cannot be read",
    }
    assert set(platform.landed(source)) == {"2021-12-10/a.csv", "2021-12-10/c.csv"}
    ftp.hooks.clear()
    assert len(platform.collect(source).landed) == 2


def test_a_connection_that_is_lost_after_a_refusal_is_opened_again(ftp: FtpServer, platform: Platform) -> None:
    source = source_at(ftp)
    for name in ("a.csv", "b.csv"):
        write(ftp.folder, name, name)
    ftp.refuse({("RETR", "a.csv"): "550 No."}, lambda channel: channel.close_when_done())
    report = platform.collect(source)
    assert (report.error, report.failed) == (None, {"a.csv": "the server refuses it: 550 No"})
    assert platform.landed(source) == {"2021-12-10/b.csv": b"b.csv"}


def test_a_file_that_vanishes_is_left_alone(ftp: FtpServer, platform: Platform) -> None:
    source, path = source_at(ftp), write(ftp.folder, "a.csv", "a")
    write(ftp.folder, "b.csv", "b")
    once(ftp, "RETR", lambda _: path.unlink())
    report = platform.collect(source)
    assert (report.failed, report.postponed) == ({}, {"a.csv": "it is gone there"})
    assert platform.landed(source) == {"2021-12-10/b.csv": b"b"}


def test_a_file_that_is_written_over_while_it_is_read_is_never_mixed(ftp: FtpServer, platform: Platform) -> None:
    if "MDTM" in ftp.without:
        pytest.skip("a server that says no time shows no change of a file of equal size")
    source = source_at(ftp)
    write(ftp.folder, "a.csv", BIG)
    new = b"y" * len(BIG)
    once(ftp, "read", lambda _: write(ftp.folder, "a.csv", new, modified=LONG_AGO + 86_400), at=1_000_000)
    assert platform.collect(source).postponed == {"a.csv": "it is being changed there"}
    assert platform.landed(source) == {}
    platform.collect(source)
    assert platform.landed(source) == {"2021-12-10/a.csv": new}


def test_a_transfer_that_is_cut_goes_on_where_it_was(
    ftp: FtpServer, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dataflow_assets.collectors.ftp.session.REQUEST_SECONDS", 2.0)  # the server says no word of it
    source = source_at(ftp)
    write(ftp.folder, "a.csv", BIG)
    once(ftp, "read", lambda channel: channel.data_channel.close(), at=1_000_000)
    assert platform.collect(source).error is None
    assert platform.landed(source) == {"2021-12-10/a.csv": BIG}
    if "FEAT" not in ftp.without:
        assert any(what == "REST" and int(about) > 500_000 for what, about in ftp.asked)


def test_a_server_that_is_killed_and_comes_back_is_waited_for(
    plain: FtpServer, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dataflow_assets.collectors.ftp.session._PAUSES", (0.5,) * 600)
    source = source_at(plain)
    for number in range(10):
        write(plain.folder, f"{number}.csv", BIG[:500_000])

    def be_away() -> None:
        plain.stop()
        time.sleep(1)
        plain.start()

    restart = Timer(0, be_away)
    once(plain, "read", lambda _: restart.start(), at=200_000)
    assert platform.collect(source).error is None
    restart.join()
    assert platform.landed(source) == {f"2021-12-10/{number}.csv": BIG[:500_000] for number in range(10)}


def test_a_listing_that_says_another_time_for_the_same_is_no_change(plain: FtpServer, platform: Platform) -> None:
    """A listing says the year of old files, and the hour of new ones."""
    plain.without = ("MLSD", "MLST")
    plain.stop()
    plain.start()
    source = source_at(plain)
    lately = time.time() - 30 * 86_400
    write(plain.folder, "a.csv", "a", modified=lately)
    platform.collect(source)
    known = platform.record(source)
    known.confirm({"a.csv": "1 bytes of Jan 1 1999"})  # as the listing will have said it
    assert platform.new(source) == []
    plain.asked.clear()
    assert platform.new(source) == []
    assert [what for what, _ in plain.asked if what == "MDTM"] == []


def test_ten_thousand_files_are_listed_once(plain: FtpServer, platform: Platform) -> None:
    for number in range(10_000):
        (plain.folder / f"{number:05}.csv").touch()
    assert len(platform.new(source_at(plain))) == 10_000
    assert [what for what, _ in plain.asked if what in ("MLSD", "LIST", "MLST", "MDTM")] == ["MLSD"]


# the way there


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"host": "no-such-host.invalid"}, "There is no host no-such-host.invalid"),
        ({"user": "somebody"}, "does not let the user somebody in"),
        ({"folder": "/nowhere"}, "cannot be listed: 550"),
        ({"tls": True}, '(500 Command "AUTH" not understood); `tls=False` does without TLS'),
    ],
)
def test_what_stays_wrong_is_said(plain: FtpServer, platform: Platform, wrong: dict[str, Any], says: str) -> None:
    error = platform.collect(source_at(plain, **wrong)).error
    assert isinstance(error, CollectError)
    assert not isinstance(error, UnreachableError)
    assert says in str(error)


def test_a_refused_connection_may_pass(plain: FtpServer, platform: Platform) -> None:
    source = source_at(plain)
    plain.stop()
    error = platform.collect(source).error
    plain.start()
    assert isinstance(error, UnreachableError)
    assert f"ftp://127.0.0.1:{plain.port}/ cannot be reached" in str(error)


def test_a_certificate_that_nobody_signed_gets_no_password(secure: FtpServer, platform: Platform) -> None:
    error = platform.collect(source_at(secure, ca_file=None)).error
    assert "is not to be trusted: self-signed certificate" in str(error)
    assert [what for what, _ in secure.asked if what in ("USER", "PASS")] == []


@pytest.mark.parametrize(
    ("certificate", "says"),
    [({"days": 0}, "certificate has expired"), ({"host": "127.0.0.2"}, "IP address mismatch")],
)
def test_a_certificate_that_does_not_hold_is_told(
    tmp_path: Path, platform: Platform, certificate: dict[str, Any], says: str
) -> None:
    server = FtpServer(tmp_path / "remote", write_certificate(tmp_path, **certificate))
    with pytest.MonkeyPatch.context() as patch, serve_ftp(server):
        patch.setenv(VARIABLE, ftp_server.PASSWORD)
        error = platform.collect(source_at(server)).error
    assert says in str(error)
    assert not isinstance(error, UnreachableError)


def test_a_silent_server_is_given_up(plain: FtpServer, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataflow_assets.collectors.ftp.session.REQUEST_SECONDS", 0.5)
    monkeypatch.setattr("dataflow_assets.collectors.ftp.session._PAUSES", (0.1,))
    write(plain.folder, "a.csv", "a")
    plain.hooks.append(lambda _, what, __: time.sleep(1.5) if what == "open" else None)
    error = platform.collect(source_at(plain)).error
    assert isinstance(error, UnreachableError)
