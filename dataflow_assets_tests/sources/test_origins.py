"""What a declaration may say of where a source arrives from, and which names it means."""

from datetime import date
from typing import Any

import asyncssh
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow_assets.sources.origins import Ftp, Sftp
from dataflow_assets.sources.origins.patterns import NamePattern

KEY = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()


def sftp(**more: Any) -> Sftp:
    said: dict[str, Any] = {
        "host": "sftp.example.com",
        "user": "us",
        "folder": "/out",
        "pattern": "*.csv",
        "host_key": KEY,
        "password": "SFTP_PASSWORD",
    }
    return Sftp(**said | more)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"host_key": ""}, "host_key is no public key"),
        ({"host_key": "ssh-ed25519 nonsense"}, "host_key is no public key"),
        ({"host_key": "ssh-ed25519 AAAA…"}, "host_key is no public key"),
        ({"host_key": KEY.replace("ssh-ed25519", "ssh-rsa", 1)}, "host_key is no public key"),
        ({"password": None}, "name the environment variable of the password, or a key_file"),
        ({"password": "hunter2"}, "password is not the name of an environment variable"),
        ({"key_passphrase": "PHRASE"}, "there is a key_passphrase, but no key_file"),
        ({"host": "user@host"}, "'user@host' is no name or address of a host"),
        ({"port": 70000}, "70000 is no port"),
        ({"user": ""}, "it names no user"),
        ({"folder": ""}, "it names no folder"),
        ({"quiet_seconds": -1}, "quiet_seconds is -1"),
        ({"schedule": "hourly"}, "the schedule 'hourly' has not the five fields of cron"),
        ({"pattern": "{day:%Y%m}.csv"}, "has not a year, a month and a day"),
        ({"pattern": "{day:%H}.csv"}, "says %H; it may say"),
        ({"pattern": "{x}.csv"}, "has a brace that is not of a day"),
        ({"pattern": "/a.csv"}, "is no path below the folder"),
        ({"pattern": "../a.csv"}, "is no path below the folder"),
        ({"pattern": "{day:%Y%m%d}.csv", "day_of": "modification"}, "the pattern says the day, and so does day_of"),
    ],
)
def test_what_cannot_be_right_is_said_when_it_is_declared(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match="Sftp: ") as error:
        sftp(**wrong)
    assert says in str(error.value)
    assert "hunter2" not in str(error.value)


def test_a_plain_server_must_be_asked_for() -> None:
    origin = Ftp(host="ftp.example.com", user="anonymous", folder=".", pattern="*")
    assert origin.address == "ftps://ftp.example.com/."
    with pytest.raises(ValueError, match="there is a ca_file, but no tls"):
        Ftp(host="ftp.example.com", user="anonymous", folder=".", pattern="*", tls=False, ca_file="ca.pem")


@pytest.mark.parametrize(
    ("pattern", "path", "day"),
    [
        ("{day:%Y%m%d}.csv", "20211205.csv", date(2021, 12, 5)),
        ("{day:%d.%m.%y}*.csv", "05.12.21-a.csv", date(2021, 12, 5)),
        ("{day:%Y-%j}.csv", "2021-339.csv", date(2021, 12, 5)),
        ("{day:%Y/%m/%d}/{day:%Y%m%d}.csv", "2021/12/05/20211205.csv", date(2021, 12, 5)),
        ("{day:%Y/%m/%d}/{day:%Y%m%d}.csv", "2021/12/05/20211206.csv", None),
        ("{day:%Y%m%d}.csv", "20211305.csv", None),
        ("{day:%Y%m%d}.csv", "x20211205.csv", None),
        ("**/{day:%Y%m%d}.csv", "a/b/20211205.csv", date(2021, 12, 5)),
        ("a?.{day:%Y%m%d}", "ab.20211205", date(2021, 12, 5)),
        ("a?.{day:%Y%m%d}", "a/.20211205", None),
    ],
)
def test_a_name_says_its_day(pattern: str, path: str, day: date | None) -> None:
    assert NamePattern(pattern).day_of(path) == day
    assert NamePattern(pattern).matches(path) == (day is not None)


@given(st.dates(date(1900, 1, 1), date(2999, 12, 31)), st.text(st.characters(exclude_characters="/"), max_size=5))
def test_a_day_is_read_as_it_was_written(day: date, rest: str) -> None:
    path = f"{day.year:04}/{day:%m}/streams-{day.year:04}{day:%m%d}{rest}.csv"
    assert NamePattern("{day:%Y/%m}/streams-{day:%Y%m%d}*.csv").day_of(path) == day


@given(st.text(st.characters(exclude_characters="/*?{}", codec="utf-8"), min_size=1))
def test_a_name_without_signs_matches_itself_alone(name: str) -> None:
    if name not in (".", ".."):
        pattern = NamePattern(name)
        assert pattern.matches(name)
        assert not pattern.matches(name + "x")
