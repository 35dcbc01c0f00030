"""Lines of FTP listings: by the standard, as Unix writes them, and as Windows does."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow_assets.collectors.ftp.listing import parse_facts, parse_list, parse_moment

at = partial(datetime, tzinfo=UTC)
NOW = datetime(2022, 2, 10, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "name", "size", "modified"),
    [
        ("-rw-r--r--   1 ftp      ftp          1234 Dec 05 10:30 a.csv", "a.csv", 1234, at(2021, 12, 5, 10, 30)),
        ("-rw-r--r--   1 ftp      ftp          1234 Feb 10 23:30 a.csv", "a.csv", 1234, at(2022, 2, 10, 23, 30)),
        ("-rw-r--r--   1 ftp      ftp          1234 Feb 12 10:30 a.csv", "a.csv", 1234, at(2021, 2, 12, 10, 30)),
        ("-rw-r--r--   1 ftp      ftp          1234 Feb 29 10:30 a.csv", "a.csv", 1234, at(2020, 2, 29, 10, 30)),
        ("-rw-r--r--   1 0        0               0 Jan  1  2019  b c.csv", " b c.csv", 0, at(2019, 1, 1)),
        (
            "-rw-rw----+ 12 owner some.group 5000000000 Dec 31  2020 x -> y",
            "x -> y",
            5_000_000_000,
            at(2020, 12, 31),
        ),
        ("-rwxr-xr-x 1 owner 7 Dec 31  2020 no group", "no group", 7, at(2020, 12, 31)),
        ("12-05-21  10:30AM                 1234 a b.csv", "a b.csv", 1234, at(2021, 12, 5, 10, 30)),
        ("12-05-2021  10:30PM               1234 a.csv", "a.csv", 1234, at(2021, 12, 5, 22, 30)),
        ("12-05-21  22:30                   1234 a.csv", "a.csv", 1234, at(2021, 12, 5, 22, 30)),
    ],
)
def test_a_file_of_list(line: str, name: str, size: int, modified: datetime) -> None:
    found = parse_list(line, NOW)
    assert found is not None
    assert (found.is_file, found.is_folder) == (True, False)
    assert (found.name, found.size, found.modified) == (name, size, modified)


@pytest.mark.parametrize(
    "line", ["drwxr-xr-x   2 ftp ftp 4096 Dec 05 10:30 old", "12-05-21  10:30AM       <DIR>          old"]
)
def test_a_folder_of_list(line: str) -> None:
    found = parse_list(line, NOW)
    assert found is not None
    assert (found.name, found.is_folder, found.is_file) == ("old", True, False)


def test_a_link_of_list_is_taken_for_a_file_by_its_own_name() -> None:
    found = parse_list("lrwxrwxrwx   1 ftp ftp 5 Dec 05 10:30 latest.csv -> a.csv", NOW)
    assert found is not None
    assert (found.name, found.is_file, found.size) == ("latest.csv", True, None)


@given(st.text())
def test_what_is_no_line_is_left_out(text: str) -> None:
    """Whatever a server writes, it is a line or none; it never ends the listing."""
    parse_list(text, NOW)
    parse_facts(text)
    parse_moment(text)


@pytest.mark.parametrize("line", ["total 12", "", "-rw-r--r-- 1 ftp ftp many Dec 05 10:30 a.csv"])
def test_a_line_of_nothing(line: str) -> None:
    assert parse_list(line, NOW) is None
    assert parse_facts(line) is None


def test_facts() -> None:
    found = parse_facts("Type=file;Size=12;Modify=20211205103000.5;Perm=r; a b.csv")
    assert found is not None
    assert (found.name, found.is_file, found.size) == ("a b.csv", True, 12)
    assert found.modified == datetime(2021, 12, 5, 10, 30, tzinfo=UTC) + timedelta(seconds=0.5)
    folder = parse_facts("type=dir;modify=20211205103000; old")
    assert folder is not None
    assert folder.is_folder
    other = parse_facts("type=OS.unix=socket;size=0; s")
    assert other is not None
    assert (other.is_folder, other.is_file) == (False, False)
