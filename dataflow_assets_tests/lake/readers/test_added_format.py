"""A format is one file: nothing else changes for its files to be read, landed, previewed and taken into the lake."""

import gzip
import importlib
import shutil
import sys
from collections.abc import Iterator
from dataclasses import astuple, replace
from datetime import date
from pathlib import Path

import pytest

from dataflow_assets.errors import FormatError
from dataflow_assets.lake.delta.table import read_rejects, rows_table
from dataflow_assets.lake.ingest import ingest
from dataflow_assets.lake.preview import preview
from dataflow_assets.lake.readers import check_format, read_file
from dataflow_assets.landing.storage import Storage
from dataflow_assets.sources import Source, find_source, formats
from dataflow_assets_tests.landing.stores import FIRST_DAY, land

USERS = find_source("users")
FILE = Path(__file__).with_name("added") / "ruled.py"
LINES = "ada@x   Ada   \nno      B     \nc@x\n\ncy@x          \n"
REJECTS = [
    (2, "email.regex", "email does not have the declared form.", "no      B     "),
    (3, "ruled.length", "the line has not 14 characters.", "c@x"),
]


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Source]:
    """The source `users`, delivered in a format whose one file was put among the others."""
    name = f"{formats.__name__}.{FILE.stem}"
    folder = tmp_path / "formats"
    folder.mkdir()
    shutil.copy(FILE, folder)
    with monkeypatch.context() as patch:
        patch.setattr(formats, "__path__", [*formats.__path__, str(folder)])
        _forget()
        module = importlib.import_module(name)
        yield replace(USERS, reader=module.Ruled(widths={"email": 8, "first_name": 5, "more": 1}))
        del sys.modules[name]
    _forget()


def _forget() -> None:
    formats.all_formats.cache_clear()
    formats.known_suffixes.cache_clear()


def test_its_rows_and_rejects_come_into_the_lake(source: Source, storage: Storage) -> None:
    delivery = land(storage, source, "users.rul", LINES, date(2021, 12, 5))
    intake = ingest(storage, source, delivery.object, "UTC", first_day=FIRST_DAY, release=delivery.etag)
    assert intake is not None
    assert (intake.delivered, intake.accepted, intake.rejected) == (4, 2, 2)
    assert (intake.undeclared_columns, intake.missing_columns) == (("more",), ("last_name",))
    rows = rows_table(storage, source).scan().sort("position").collect()
    assert rows.select("email", "first_name", "last_name", "position").rows() == [
        ("ada@x", "Ada", None, 0),
        ("cy@x", None, None, 2),
    ]
    found = read_rejects(storage, "users")
    assert [(row["line"], row["code"], row["message"], row["raw"]) for row in found] == REJECTS


def test_it_is_previewed(source: Source, tmp_path: Path) -> None:
    path = tmp_path / "users.rul"
    path.write_text(LINES)
    found = preview(path, source, "UTC", 5, None)
    assert (found.delivered, found.accepted, found.rejected) == (4, 2, 2)
    assert [astuple(reject) for reject in found.rejects] == REJECTS


def test_it_is_unpacked_like_any_other(source: Source, tmp_path: Path) -> None:
    path = tmp_path / "users.rul.gz"
    path.write_bytes(gzip.compress(LINES.encode()))
    assert sum(batch.rows.height for batch in read_file(path, source).batches) == 2


def test_its_ending_is_known_to_the_others(source: Source, tmp_path: Path) -> None:
    path = tmp_path / "users.rul"
    path.write_text("email\n")
    with pytest.raises(FormatError, match=r"users.rul is named .rul, but its source is declared as .csv"):
        check_format(path, USERS)
    with pytest.raises(FormatError, match="its first line has not 14 characters"):
        check_format(path, source)


def test_how_it_is_declared_is_part_of_how_a_source_is_read(source: Source) -> None:
    reader = type(source.reader)
    other = replace(source, reader=reader(widths={"email": 9, "first_name": 5}))  # type: ignore[call-arg]
    assert len({source.reading, other.reading, replace(source).reading}) == 2
    assert source.reader.fields_of("email") == ["email"]


def test_without_its_file_nobody_knows_the_format() -> None:
    assert [form.__name__ for form in formats.all_formats()] == [
        "Avro",
        "Csv",
        "Excel",
        "FixedWidth",
        "Json",
        "Parquet",
    ]
    assert ".rul" not in formats.known_suffixes()
