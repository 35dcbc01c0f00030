"""Files in every packing and encoding: the same rows as the plain file has, and nothing left behind."""

import gzip
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import dataframely as dy
import polars as pl
import pytest

from dataflow_assets.errors import FormatError
from dataflow_assets.lake.readers import Content, Reject, archives, check_format, read_file
from dataflow_assets.sources.base import Events, Source
from dataflow_assets.sources.changes import Changes
from dataflow_assets.sources.formats import Csv, Json
from dataflow_assets_tests.lake.readers.packing import (
    COLUMNS,
    FORMATS,
    PACKED,
    PATHS,
    ROWS,
    USERS,
    delimited,
    parquet,
    users,
    zipped,
    zstd,
)

Row = tuple[str | None, ...]


@pytest.fixture(autouse=True)
def _nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def _read(content: Content) -> tuple[list[tuple[int, Row]], list[Reject], int]:
    """Rows with their positions, rejects and how many were delivered."""
    batches = list(content.batches)
    rows = [(row[0], row[1:]) for batch in batches for row in batch.rows.select("position", *COLUMNS).rows()]
    rejects = [reject for batch in batches for reject in batch.rejects]
    return rows, rejects, sum(batch.delivered for batch in batches)


def _landed(folder: Path, name: str, content: bytes) -> Path:
    path = folder / "landed" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("packing", PACKED)
@pytest.mark.parametrize("form", FORMATS)
def test_a_packed_file_gives_what_the_plain_one_does(tmp_path: Path, form: str, packing: str) -> None:
    reader, ending, content = FORMATS[form]
    packed_ending, pack = PACKED[packing]
    path = _landed(tmp_path, f"u{ending}{packed_ending}", pack(f"u{ending}", content))
    check_format(path, users(reader))
    rows, rejects, delivered = _read(read_file(path, users(reader)))
    assert rows == [(position, row) for position, row in enumerate(ROWS) if position != 2]
    has_lines = ending in (".csv", ".tsv", ".jsonl", ".ndjson")
    expected_line = {".csv": 4, ".tsv": 4}.get(ending, 3) if has_lines else None
    assert [(reject.code, reject.line) for reject in rejects] == [("email.regex", expected_line)]
    assert "Bb" in rejects[0].raw
    assert delivered == 4
    assert [found.name for found in tmp_path.iterdir()] == ["landed"]


def test_latin_1_is_read_where_it_is_declared(tmp_path: Path) -> None:
    rows: list[Row] = [("a@x", "Zoë", "ÿ"), ("no", "é", None)]
    path = _landed(tmp_path, "u.csv", delimited(encoding="latin-1", rows=rows))
    found, rejects, _ = _read(read_file(path, users(Csv(encoding="latin-1"))))
    assert found == [(0, rows[0])]
    assert [reject.raw for reject in rejects] == ["no,é,"]


def test_a_text_longer_than_a_chunk_is_decoded_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_CHUNK_BYTES", 5)
    path = _landed(tmp_path, "u.csv.gz", gzip.compress(delimited(encoding="utf-16")))
    assert len(_read(read_file(path, users(Csv(encoding="utf-16"))))[0]) == 3


@pytest.mark.parametrize("name", ["u", "u.txt", "U.CSV", "u.2021.csv", ".csv", "u.csv.part"])
def test_a_name_that_names_no_other_format_says_nothing(tmp_path: Path, name: str) -> None:
    path = _landed(tmp_path, name, delimited())
    check_format(path, USERS)
    assert len(_read(read_file(path, USERS))[0]) == 3


def test_a_plain_file_is_read_where_it_lies(tmp_path: Path) -> None:
    path = _landed(tmp_path, "u.csv", delimited())
    assert [file.path for file in archives.plain_files(path, Csv())] == [path]


def test_members_follow_each_other_by_name(tmp_path: Path) -> None:
    """Positions go on from member to member, lines do not."""
    members = {
        "b.csv": delimited(rows=[("4@x", "D", "Dd"), ("no", "E", "Ee")]),
        "a/2.csv": b"email,more\n3@x,1\n",
        "a/1.csv": delimited(rows=[("0@x", "A", "Aa"), ("no", "B", "Bb"), ("2@x", "C", "Cc")]),
        "a/3.csv": b"",
        "c.csv": delimited(rows=[])[: len(",".join(COLUMNS))],
    }
    content = read_file(_landed(tmp_path, "u.zip", zipped(members)), USERS)
    rows, rejects, delivered = _read(content)
    assert [(position, row[0]) for position, row in rows] == [(0, "0@x"), (2, "2@x"), (3, "3@x"), (4, "4@x")]
    assert [(reject.line, reject.message) for reject in rejects] == [
        (3, "a/1.csv: email does not have the declared form."),
        (3, "b.csv: email does not have the declared form."),
    ]
    assert delivered == 6
    assert (content.undeclared_columns, content.missing_columns) == ({"more"}, set())
    assert content.uneven_columns == {"first_name": "a/2.csv", "last_name": "a/2.csv"}


def _written(form: str, *rows: dict[str, str]) -> bytes:
    """Rows of which none has other columns than the first."""
    if form == "CSV":
        return "".join(",".join(line) + "\n" for line in (rows[0], *(row.values() for row in rows))).encode()
    if form == "Parquet":
        return parquet({name: [row[name] for row in rows] for name in rows[0]})
    return json.dumps(rows).encode() if form == "JSON" else "".join(json.dumps(row) + "\n" for row in rows).encode()


@pytest.mark.parametrize("form", ["CSV", "JSON", "JSON lines", "Parquet"])
def test_an_archive_lacks_a_column_that_all_members_lack(tmp_path: Path, form: str) -> None:
    reader, ending, _ = FORMATS[form]

    def names_of(first: dict[str, str], second: dict[str, str], source: Source) -> list[object]:
        members = {f"1{ending}": _written(form, first), f"2{ending}": _written(form, second)}
        content = read_file(_landed(tmp_path, "u.zip", zipped(members)), source)
        assert len(_read(content)[0]) == 2
        return [content.missing_columns, content.undeclared_columns, content.uneven_columns]

    whole, part = {"email": "a@x", "first_name": "A", "last_name": "Aa"}, {"email": "b@x", "last_name": "Bb", "n": "1"}
    assert names_of(whole, whole, users(reader)) == [set(), set(), {}]
    assert names_of(part, part, users(reader)) == [{"first_name"}, {"n"}, {}]
    assert names_of(whole, part, users(reader)) == [set(), {"n"}, {"first_name": f"2{ending}"}]
    optional = replace(users(reader), optional_columns=("first_name",))
    assert names_of(part, whole, optional) == [set(), {"n"}, {}]


def test_a_member_without_rows_lacks_nothing(tmp_path: Path) -> None:
    less = b"email,last_name,n\n"
    content = read_file(_landed(tmp_path, "u.zip", zipped({"1.csv": less, "2.csv": delimited()})), USERS)
    assert len(_read(content)[0]) == 3
    assert (content.missing_columns, content.undeclared_columns, content.uneven_columns) == (set(), set(), {})
    content = read_file(_landed(tmp_path, "u.zip", zipped({"1.csv": less, "2.csv": b"email,first_name\n"})), USERS)
    assert _read(content)[0] == []
    assert (content.missing_columns, content.uneven_columns) == ({"first_name", "last_name"}, {})


def test_a_member_of_rejects_alone_lacks_what_it_lacks(tmp_path: Path) -> None:
    source = users(Json(paths=PATHS))
    renamed = json.dumps([{"mail": "b@x", "first_name": "B", "last_name": "Bb"}]).encode()
    whole = json.dumps([dict(zip(COLUMNS, ROWS[0], strict=True))]).encode()
    content = read_file(_landed(tmp_path, "u.zip", zipped({"1.json": whole, "2.json": renamed})), source)
    assert len(_read(content)[0]) == 1
    assert (content.undeclared_columns, content.uneven_columns) == ({"mail"}, {"email": "2.json"})


class Refund(dy.Schema):
    number = dy.String()
    op = dy.String(nullable=True)
    note = dy.String(nullable=True)


@pytest.mark.parametrize(
    ("upserts", "deletes", "missing"),
    [
        ("number,note\n1,a\n", "number,op,note\n2,D,\n", set()),
        ("number,op,note\n1,U,a\n", "number,op\n2,D\n", set()),
        ("number,op\n1,U\n", "number,op,note\n2,D,\n", {"note"}),
        ("number,note\n1,a\n", "number,note\n2,\n", {"op"}),
    ],
)
def test_deletes_and_what_marks_them_make_no_archive_uneven(
    tmp_path: Path, upserts: str, deletes: str, missing: set[str]
) -> None:
    source = Changes(
        name="refunds",
        singular="refund",
        description="Made up.",
        owner="team:tests",
        schema=Refund,
        reader=Csv(),
        key=("number",),
        deletes=pl.col("op") == "D",
    )
    members = {"1.csv": upserts.encode(), "2.csv": deletes.encode()}
    content = read_file(_landed(tmp_path, "r.zip", zipped(members)), source)
    assert sum(batch.rows.height for batch in content.batches) == 2
    assert (content.missing_columns, content.uneven_columns) == (missing, {})


class Visits(dy.Schema):
    page = dy.String()
    at = dy.Datetime(time_zone="UTC")
    note = dy.String(nullable=True)


def test_an_archive_of_events_lacks_what_a_member_lacks(tmp_path: Path) -> None:
    """Its rows keep no values: where an event has no column, it has null."""
    shared: dict[str, Any] = {
        "singular": "visit",
        "description": "Made up.",
        "owner": "team:tests",
        "key": ("page", "at"),
    }
    source = Events(name="visits", schema=Visits, reader=Csv(), event_time="at", **shared)
    members = {"1.csv": b"page,at,note\na,2021-12-01T10:00:00Z,n\n", "2.csv": b"page,at\nb,2021-12-01T10:00:00Z\n"}
    content = read_file(_landed(tmp_path, "v.zip", zipped(members)), source)
    assert [row for batch in content.batches for row in batch.rows["note"]] == ["n", None]
    assert (content.missing_columns, content.uneven_columns) == ({"note"}, {})


EMPTY = {
    "gzip": ("u.csv.gz", gzip.compress(b""), USERS),
    "zip": ("u.zip", zipped({}), USERS),
    "zip of a folder": ("u.zip", zipped({"a folder/": b""}), USERS),
    "zip of an empty file": ("u.csv.zip", zipped({"u.csv": b""}), USERS),
    "UTF-16": ("u.csv", b"", users(Csv(encoding="utf-16"))),
    "UTF-16 with BOM alone": ("u.csv", b"\xff\xfe", users(Csv(encoding="utf-16"))),
    "JSON lines": ("u.jsonl", b"", users(FORMATS["JSON lines"][0])),
    "blank JSON lines": ("u.jsonl", b"\n \r\n", users(FORMATS["JSON lines"][0])),
}


@pytest.mark.parametrize("case", EMPTY)
def test_a_file_that_holds_nothing_is_an_empty_delivery(tmp_path: Path, case: str) -> None:
    name, content, source = EMPTY[case]
    path = _landed(tmp_path, name, content)
    check_format(path, source)
    assert _read(read_file(path, source)) == ([], [], 0)


def test_a_file_that_is_given_up_leaves_nothing_behind(tmp_path: Path) -> None:
    path = _landed(tmp_path, "u.csv.gz", gzip.compress(b"email\n" + b"a@x\n" * 2_000_000))
    batches = iter(read_file(path, USERS).batches)
    next(batches)
    assert len(list(tmp_path.iterdir())) == 2
    del batches
    assert [found.name for found in tmp_path.iterdir()] == ["landed"]


def _cut(source: Source, path: Path, content: bytes, length: int) -> str | None:
    path.write_bytes(content[:length])
    try:
        _read(read_file(path, source))
    except FormatError as error:
        return str(error)
    return None


@pytest.mark.parametrize("packing", ["gzip", "zstd", "zip", "zip with a folder"])
def test_a_packed_file_cut_anywhere_is_refused(tmp_path: Path, packing: str) -> None:
    ending, pack = PACKED[packing]
    content = pack("u.csv", delimited())
    path = _landed(tmp_path, f"u.csv{ending}", content)
    assert all(_cut(USERS, path, content, length) for length in range(len(content)))
    assert _cut(USERS, path, content, len(content)) is None


def test_members_that_are_no_data_are_left_alone(tmp_path: Path) -> None:
    members = {
        "a.csv": delimited(),
        "__MACOSX/": b"",
        "__MACOSX/._a.csv": b"Mac OS X \x00\x05\x16\x07",
        ".DS_Store": b"\x00\x00\x00\x01Bud1",
        "a.csv.md5": b"d41d8cd98f00b204e9800998ecf8427e  a.csv\n",
    }
    rows, rejects, delivered = _read(read_file(_landed(tmp_path, "u.zip", zipped(members)), USERS))
    assert ([row for _, row in rows], len(rejects), delivered) == ([ROWS[0], ROWS[1], ROWS[3]], 1, 4)


def test_a_source_says_itself_what_is_no_data(tmp_path: Path) -> None:
    path = _landed(tmp_path, "u.zip", zipped({"a.csv": delimited(), "old.csv": b"?"}))
    assert _read(read_file(path, replace(USERS, ignored=("old.*",))))[2] == 4


def test_zstd_may_begin_with_a_frame_to_skip(tmp_path: Path) -> None:
    skipped = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"
    content = delimited()
    path = _landed(tmp_path, "u.csv.zst", skipped + zstd(content[:20]) + skipped + zstd(content[20:]))
    assert [row for _, row in _read(read_file(path, USERS))[0]] == [ROWS[0], ROWS[1], ROWS[3]]


@pytest.mark.parametrize("rest", [b"\0" * 512, b"more", b"\x50\x2a\x4d\x18\x04\x00"])
def test_zstd_with_something_behind_it_is_refused(tmp_path: Path, rest: bytes) -> None:
    path = _landed(tmp_path, "u.csv.zst", zstd(delimited()) + rest)
    with pytest.raises(FormatError, match=r"u.csv.zst cannot be unpacked"):
        _read(read_file(path, USERS))


def test_gzip_padded_with_zeros_is_whole(tmp_path: Path) -> None:
    path = _landed(tmp_path, "u.csv.gz", gzip.compress(delimited()) + b"\0" * 512)
    assert _read(read_file(path, USERS))[2] == 4
