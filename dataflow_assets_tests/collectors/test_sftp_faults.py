"""What goes wrong at an SFTP server and on the way: one bad file fails alone, and nothing lands that is not whole."""

import asyncio
import os
import time
from collections.abc import Callable
from threading import Timer
from typing import Any

import asyncssh
import pytest

from dataflow_assets.collectors.base import CollectError, UnreachableError
from dataflow_assets.collectors.files import MissingSecretError
from dataflow_assets_tests.collectors.builders import LONG_AGO, Platform, write
from dataflow_assets_tests.collectors.sftp_server import VARIABLE, Files, SftpServer
from dataflow_assets_tests.collectors.sftp_source import source_at

BIG = os.urandom(6_000_000)


def once(server: SftpServer, when: str, act: Callable[[], object], *, at: int = 0) -> None:
    """Do something when a client first asks for something, of a read only from some place in the file on."""

    def hook(_: Files, what: str, path: bytes) -> None:
        if what == when and (what != "read" or int(path) >= at):
            server.hooks.remove(hook)
            act()

    server.hooks.append(hook)


def deny(server: SftpServer, name: str, error: type[asyncssh.SFTPFailure | asyncssh.SFTPPermissionDenied]) -> None:
    """Refuse to open one file."""

    def hook(_: Files, what: str, path: bytes) -> None:
        if what == "open" and path.endswith(name.encode()):
            raise error("no")

    server.hooks.append(hook)


# the way there


def test_a_refused_connection_may_pass(sftp: SftpServer, platform: Platform) -> None:
    source = source_at(sftp)
    write(sftp.folder, "a.csv", "a")
    sftp.stop()
    error = platform.collect(source).error
    assert isinstance(error, UnreachableError)
    assert f"sftp://127.0.0.1:{sftp.port}/ cannot be reached" in str(error)
    sftp.start()
    platform.collect(source)
    assert platform.landed(source) == {"2021-12-10/a.csv": b"a"}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"host": "no-such-host.invalid"}, "There is no host no-such-host.invalid"),
        ({"user": "somebody"}, "does not let the user somebody in"),
        ({"folder": "/nowhere"}, "cannot be listed"),
        ({"key_file": "/nowhere/key"}, "The key_file /nowhere/key"),
    ],
)
def test_what_stays_wrong_is_said(sftp: SftpServer, platform: Platform, wrong: dict[str, Any], says: str) -> None:
    error = platform.collect(source_at(sftp, **wrong)).error
    assert isinstance(error, CollectError)
    assert not isinstance(error, UnreachableError)
    assert says in str(error)


def test_a_wrong_password_is_said_and_not_shown(
    sftp: SftpServer, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "wrong horse")
    error = platform.collect(source_at(sftp)).error
    assert "the password or the key is wrong" in str(error)
    assert "horse" not in str(error)


def test_a_variable_that_is_not_set_is_named(
    sftp: SftpServer, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE)
    error = platform.collect(source_at(sftp)).error
    assert isinstance(error, MissingSecretError)
    assert f"{VARIABLE} is not set" in str(error)


def test_a_server_with_another_key_gets_no_password(sftp: SftpServer, platform: Platform) -> None:
    source = source_at(sftp)
    sftp.stop()
    sftp.host_key = asyncssh.generate_private_key("ssh-ed25519")
    sftp.start()
    error = platform.collect(source).error
    assert "does not prove itself by the host_key" in str(error)
    assert sftp.logins == []


def test_a_silent_server_is_given_up(platform: Platform, sftp: SftpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataflow_assets.collectors.sftp.ssh._CONNECT_SECONDS", 0.5)
    with asyncio.Runner() as runner:
        listening = runner.run(asyncio.start_server(lambda *_: None, "127.0.0.1", 0))
        port = listening.sockets[0].getsockname()[1]
        error = platform.collect(source_at(sftp, port=port)).error
        listening.close()
    assert isinstance(error, UnreachableError)
    assert "does not answer within" in str(error)


def test_an_answer_that_never_comes_is_given_up(
    sftp: SftpServer, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dataflow_assets.collectors.sftp.REQUEST_SECONDS", 0.5)
    monkeypatch.setattr("dataflow_assets.collectors.sftp.ssh._PAUSES", (0.1,))
    write(sftp.folder, "a.csv", "a")
    sftp.hooks.append(lambda _, what, __: time.sleep(1.5) if what == "open" else None)
    error = platform.collect(source_at(sftp)).error
    assert isinstance(error, UnreachableError)
    assert "is lost again and again" in str(error)


# single files


def test_one_bad_file_fails_alone_and_is_told_once(sftp: SftpServer, platform: Platform) -> None:
    source = source_at(sftp)
    for name in ("a.csv", "b.csv", "c.csv", "d.csv"):
        write(sftp.folder, name, name)
    write(sftp.folder, os.fsdecode(b"caf\xe9.csv"))
    deny(sftp, "b.csv", asyncssh.SFTPPermissionDenied)
    deny(sftp, "c.csv", asyncssh.SFTPFailure)
    reasons = {
        "b.csv": "the user dataflow may not read it",
        "c.csv": "the server refuses it: no",
        "caf\\xe9.csv": "its name is not in UTF-8; have it renamed",
    }
    first, second = platform.collect(source), platform.collect(source)
    assert set(platform.landed(source)) == {"2021-12-10/a.csv", "2021-12-10/d.csv"}
    assert (first.failed, first.told) == (reasons, set())
    assert (second.failed, second.told) == (reasons, set(reasons))
    sftp.hooks.clear()
    (sftp.folder / os.fsdecode(b"caf\xe9.csv")).rename(sftp.folder / "café.csv")
    assert platform.collect(source).failed == {}
    assert len(platform.landed(source)) == 5


def test_a_link_that_leads_nowhere_keeps_nothing_else(sftp: SftpServer, platform: Platform) -> None:
    source = source_at(sftp)
    write(sftp.folder, "a.csv", "a")
    (sftp.folder / "itself.csv").symlink_to("itself.csv")
    (sftp.folder / "nowhere.csv").symlink_to("gone")
    reasons = {"itself.csv": "the server refuses it: Too many levels of symbolic links"}
    assert platform.collect(source).failed == reasons
    assert platform.landed(source) == {"2021-12-10/a.csv": b"a"}


def test_a_connection_that_is_lost_at_a_link_is_told(
    sftp: SftpServer, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    (sftp.folder / "a.csv").symlink_to("b.txt")
    monkeypatch.setattr(Files, "stat", lambda files, _: files.server.cut())
    error = platform.collect(source_at(sftp)).error
    assert isinstance(error, UnreachableError)
    assert "was lost" in str(error)


def test_a_name_that_no_object_can_have_fails_alone(sftp: SftpServer, platform: Platform) -> None:
    source = source_at(sftp, "*")
    write(sftp.folder, "a\n.csv")
    write(sftp.folder, "b.csv", "b")
    report = platform.collect(source)
    assert "cannot be the name of a landed object" in report.failed["a\n.csv"]
    assert platform.landed(source) == {"2021-12-10/b.csv": b"b"}


def test_a_file_that_vanishes_is_left_alone(sftp: SftpServer, platform: Platform) -> None:
    source, path = source_at(sftp), write(sftp.folder, "a.csv", "a")
    write(sftp.folder, "b.csv", "b")
    once(sftp, "open", path.unlink)
    report = platform.collect(source)
    assert (report.failed, report.postponed) == ({}, {"a.csv": "it is gone there"})
    assert platform.landed(source) == {"2021-12-10/b.csv": b"b"}


@pytest.mark.parametrize("size", [100, len(BIG)], ids=["shorter", "as long"])
def test_a_file_that_is_written_over_while_it_is_read_is_never_mixed(
    sftp: SftpServer, platform: Platform, size: int
) -> None:
    source, path = source_at(sftp), write(sftp.folder, "a.csv", BIG)

    def overwrite() -> None:
        write(sftp.folder, path.name, b"y" * size, modified=LONG_AGO + 60)

    once(sftp, "read", overwrite, at=2_000_000)
    assert platform.collect(source).postponed == {"a.csv": "it is being changed there"}
    assert platform.landed(source) == {}
    platform.collect(source)
    assert platform.landed(source) == {"2021-12-10/a.csv": b"y" * size}


def test_a_file_that_is_replaced_while_it_is_read_lands_as_it_was_and_then_as_it_is(
    sftp: SftpServer, platform: Platform
) -> None:
    source = source_at(sftp)
    write(sftp.folder, "a.csv", BIG)
    write(sftp.folder, "new", "new", modified=LONG_AGO + 60)
    once(sftp, "read", lambda: (sftp.folder / "new").rename(sftp.folder / "a.csv"), at=2_000_000)
    platform.collect(source)
    assert platform.landed(source) == {"2021-12-10/a.csv": BIG}
    platform.collect(source)
    assert platform.landed(source) == {"2021-12-10/a.csv": b"new"}


def test_a_transfer_that_is_cut_goes_on_where_it_was(sftp: SftpServer, platform: Platform) -> None:
    source = source_at(sftp)
    write(sftp.folder, "a.csv", BIG)
    once(sftp, "read", sftp.cut, at=4_000_000)
    assert platform.collect(source).error is None
    assert platform.landed(source) == {"2021-12-10/a.csv": BIG}
    assert sum(what == "read" and path == b"0" for what, path in sftp.asked) == 1


def test_a_server_that_is_killed_and_comes_back_is_waited_for(
    sftp: SftpServer, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dataflow_assets.collectors.sftp.ssh._PAUSES", (0.5,) * 600)
    source = source_at(sftp)
    for number in range(30):
        write(sftp.folder, f"{number}.csv", BIG[:300_000])
    restart = Timer(1.0, sftp.start)

    def kill() -> None:
        asyncio.get_running_loop().call_soon(sftp.close)
        restart.start()

    once(sftp, "read", kill)
    assert platform.collect(source).error is None
    restart.join()
    assert platform.landed(source) == {f"2021-12-10/{number}.csv": BIG[:300_000] for number in range(30)}


def test_a_server_that_stays_away_leaves_what_landed(sftp: SftpServer, platform: Platform) -> None:
    source = source_at(sftp)
    for number in range(30):
        write(sftp.folder, f"{number}.csv", BIG[:300_000])
    once(sftp, "open", lambda: asyncio.get_running_loop().call_later(0.3, sftp.close))
    sftp.hooks.append(lambda _, what, __: time.sleep(0.05) if what == "open" else None)
    report = platform.collect(source)
    assert isinstance(report.error, UnreachableError)
    assert len(platform.landed(source)) == len(report.landed) < 30
    sftp.start()
    sftp.hooks.clear()
    platform.collect(source)
    assert len(platform.landed(source)) == 30
