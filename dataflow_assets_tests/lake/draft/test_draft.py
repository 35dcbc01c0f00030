"""A source is drafted from a file of any format, and the draft loads that file whole."""

import bz2
import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import openpyxl
import polars as pl
import pytest

from dataflow_assets.errors import FormatError
from dataflow_assets.lake.draft.declaration_text import singular_of
from dataflow_assets.lake.draft.sample import read_sample
from dataflow_assets.sources import Events
from dataflow_assets_tests.lake.draft.drafting import drafted, types_of
from dataflow_assets_tests.lake.readers.packing import zipped, zstd

ROWS: list[dict[str, Any]] = [
    {"sku": f"S{n:03}", "name": f"Zoë {n}", "qty": n, "price": n + 0.25, "active": n % 2 == 0, "on": f"2021-12-{n:02}"}
    for n in range(1, 31)
]


def delimited(delimiter: str = ",", *, has_header: bool = True) -> str:
    lines = [list(ROWS[0])] if has_header else []
    rows = [[str(value).lower() if isinstance(value, bool) else str(value) for value in row.values()] for row in ROWS]
    return "".join(delimiter.join(line) + "\n" for line in (*lines, *rows))


def parquet(**more: pl.Expr) -> bytes:
    written = io.BytesIO()
    pl.DataFrame(ROWS).with_columns(pl.col("on").str.to_date(), **more).write_parquet(written)
    return written.getvalue()


def workbook() -> bytes:
    book, written = openpyxl.Workbook(), io.BytesIO()
    sheet = book.worksheets[0]
    for row in (list(ROWS[0]), *(list(row.values()) for row in ROWS)):
        sheet.append(row)
    book.save(written)
    return written.getvalue()


def avro(rows: list[dict[str, Any]] = ROWS) -> bytes:
    kinds = {"sku": "string", "name": "string", "qty": "int", "price": "double", "active": "boolean", "on": "string"}
    fields = [{"name": name, "type": kind} for name, kind in kinds.items()]
    written = io.BytesIO()
    fastavro.writer(written, {"type": "record", "name": "row", "fields": fields}, rows)
    return written.getvalue()


FILES: dict[str, Callable[[], bytes]] = {
    "rows.csv": lambda: delimited().encode(),
    "bom.csv": lambda: delimited().encode("utf-8-sig"),
    "crlf.csv": lambda: delimited().replace("\n", "\r\n").encode(),
    "cr.csv": lambda: delimited().replace("\n", "\r").encode("latin-1"),
    "semicolons.csv": lambda: delimited(";").encode(),
    "bars.csv": lambda: delimited("|").encode(),
    "western.csv": lambda: delimited().encode("latin-1"),
    "wide.csv": lambda: delimited().encode("utf-16"),
    "rows.tsv": lambda: delimited("\t").encode(),
    "rows.txt": lambda: delimited(";").encode(),
    "rows.csv.gz": lambda: gzip.compress(delimited().encode()),
    "rows.csv.zst": lambda: zstd(delimited().encode()),
    "rows.csv.zip": lambda: zipped({"__MACOSX/._rows.csv": b"?", "rows.csv": delimited().encode()}),
    "rows.json": lambda: json.dumps(ROWS).encode(),
    "rows.jsonl": lambda: "".join(json.dumps(row) + "\n" for row in ROWS).encode(),
    "rows.ndjson": lambda: "".join(json.dumps(row) + "\n" for row in ROWS).encode(),
    "nested.json": lambda: json.dumps([{"a": {"b": row}, "tags": ["x", None]} for row in ROWS], indent=1).encode(),
    "rows.parquet": parquet,
    "rows[1]*.parquet": parquet,
    "rows.xlsx": workbook,
    "rows.avro": avro,
}


@pytest.mark.parametrize("name", FILES)
def test_the_draft_loads_its_file_whole(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(FILES[name]())
    draft, source, found = drafted(path)
    assert (found.delivered, found.accepted, found.rejects) == (30, 30, [])
    assert (source.key, draft.kind) == (("sku",), "snapshot")
    types = types_of(source)
    assert types.pop("tags", "List") == "List"
    assert list(types.values()) == ["String", "String", "Int64", "Float64", "Bool", "Date"]
    assert (found.undeclared_columns, found.missing_columns) == ([], [])
    assert len(draft.text.splitlines()) < 45


def test_bytes_of_parquet_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    path.write_bytes(parquet(digest=pl.lit(b"\xff")))
    draft, _, found = drafted(path)
    assert (found.accepted, found.undeclared_columns) == (30, ["digest"])
    assert "digest holds lists, structs or bytes" in draft.text


def test_fixed_width_text_may_end_its_lines_in_cr_alone(tmp_path: Path) -> None:
    path = tmp_path / "rows.fwf"
    lines = ["sku   qty name", *(f"S{number:03}  {number:3} Zo\xeb!" for number in range(30)), ""]
    path.write_bytes("\r".join(lines).encode("cp1252"))
    _, source, found = drafted(path)
    assert (found.accepted, found.rejects, list(types_of(source))) == (30, [], ["sku", "qty", "name"])


def test_a_cr_ends_no_line_of_fixed_width_text_with_lf(tmp_path: Path) -> None:
    path = tmp_path / "rows.fwf"
    lines = ["sku   qty name", *(f"S{number:03}  {number:3} Zo\rx!" for number in range(30)), ""]
    path.write_bytes("\r\r\n".join(lines).encode())
    _, source, found = drafted(path)
    assert (found.accepted, found.rejects, list(types_of(source))) == (30, [], ["sku", "qty", "name"])


def test_a_file_without_a_header_is_told(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("".join(f"{n},x{n}\n" for n in range(10)))
    _, source, found = drafted(path)
    assert (found.accepted, list(types_of(source).values())) == (10, ["Int64", "String"])


@pytest.mark.parametrize(
    ("source", "accepted", "rejected"),
    [
        *(("movies", 91, 0), ("users", 783, 0), ("streams", 9_652, 0)),
        *(("authors", 200, 1), ("books", 103, 0), ("reviews", 501, 0)),
    ],
)
def test_the_reference_files_load_with_the_known_numbers(
    reference_data: Path, source: str, accepted: int, rejected: int
) -> None:
    (path,) = reference_data.glob(f"*/{source}.*")
    _, declared, found = drafted(path, f"drafted_{source}")
    assert (found.accepted, found.rejected) == (accepted, rejected)
    assert isinstance(declared, Events) == (source == "streams")


def test_sessions_become_events_that_end(reference_data: Path) -> None:
    _, source, _ = drafted(reference_data / "internal" / "streams.csv")
    assert isinstance(source, Events)
    assert (source.event_time, source.end_time) == ("start_at", "end_at")
    assert set(source.key) >= {"movie_title", "user_email", "start_at"}
    _, snapshot, _ = drafted(reference_data / "internal" / "streams.csv", kind="snapshot")
    assert not isinstance(snapshot, Events)


@pytest.mark.parametrize(
    ("text", "time_format"),
    [
        ("2021-12-{:02}T10:00:00Z", "%+"),
        ("2021-12-{:02}T10:00:00.123456", "%Y-%m-%dT%H:%M:%S%.f"),
        ("2021-12-{:02} 10:00:00", "%Y-%m-%d %H:%M:%S%.f"),
        ("{:02}.12.2021 10:00:00", "%d.%m.%Y %H:%M:%S"),
        ("{:02}/12/2021 10:00:00", "%d/%m/%Y %H:%M:%S"),
        ("12/{:02}/2021 10:00:00", "%m/%d/%Y %H:%M:%S"),
    ],
)
def test_the_format_of_times_is_found(tmp_path: Path, text: str, time_format: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("id,updated\n" + "".join(f"{n},{text.format(n)}\n" for n in range(1, 29)))
    draft, source, found = drafted(path)
    assert (found.accepted, source.time_formats) == (28, (time_format,))
    assert ("guessed: the times say no zone" in draft.text) == (time_format != "%+")


def test_digits_that_are_no_number_stay_text(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("zip,big\n" + "".join(f"0{n},{10**19 + n}\n" for n in range(60)))
    _, source, found = drafted(path)
    assert types_of(source) == {"zip": "String", "big": "String"}
    assert found.accepted == 60


def test_names_that_are_none_of_python_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('Order No,class,"a ""b"""\n' + "".join(f"{n},x,1\n" for n in range(60)))
    _, source, found = drafted(path)
    assert list(source.schema.columns()) == ["Order No", "class", 'a "b"']
    assert (found.accepted, found.undeclared_columns) == (60, [])


def test_no_name_runs_as_code(tmp_path: Path) -> None:
    path = tmp_path / '"""\nraise SystemExit(1)\n"""\\.csv'
    names = [
        "x\nraise SystemExit(2)",
        'y"""',
        "z\\",
        "columns",
        "validate",
        "a b",
        "a-b",
        "\x1b[31m",
        "id\nraise ValueError",
    ]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([names, *([number] * len(names) for number in range(60))])
    draft, source, found = drafted(path)
    assert list(source.schema.columns()) == names
    assert (found.accepted, found.undeclared_columns) == (60, [])
    assert all(line.isprintable() for line in draft.text.split("\n"))


def test_keys_that_are_no_names_are_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([{"a b": {"c.d": n}, "it's": n, "é": n} for n in range(60)]))
    _, source, found = drafted(path)
    assert list(source.schema.columns()) == ["d", "é"], "a path cannot name a key with a quote"
    assert (found.accepted, found.rows.row(3)[:2]) == (60, (3, 3))


def test_a_column_whose_name_the_platform_has_is_declared_under_another_one(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("id,sku\n" + "".join(f"{n},S{n}\n" for n in range(60)))
    draft, source, found = drafted(path, "customers")
    assert (source.key, source.aliases, found.accepted) == (("customer_id",), {"customer_id": ("id",)}, 60)
    assert (found.undeclared_columns, found.missing_columns) == ([], [])
    assert "id is declared as customer_id: the platform has a column of that name itself" in draft.guesses
    (tmp_path / "rows.json").write_text(json.dumps([{"id": n, "position": "x"} for n in range(60)]))
    _, source, found = drafted(tmp_path / "rows.json", "customers")
    assert (source.key, source.aliases, found.accepted) == (("customer_id",), {}, 60)


def test_a_key_of_json_whose_name_the_reader_has_is_declared_under_another_one(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text(json.dumps([{"sku": f"S{n}", "line": n, "fault": "x"} for n in range(60)]))
    _, source, found = drafted(tmp_path / "rows.json", "orders")
    assert list(source.schema.columns()) == ["sku", "order_line", "order_fault"]
    assert (found.accepted, found.rows.row(3), found.undeclared_columns) == (60, ("S3", 3, "x"), [])
    (tmp_path / "rows.csv").write_text("sku,line\n" + "".join(f"S{n},{n}\n" for n in range(60)))
    assert list(drafted(tmp_path / "rows.csv", "orders")[1].schema.columns()) == ["sku", "line"]


def test_what_tells_no_delete_can_be_drafted_as_changes_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("sku,qty\n" + "".join(f"S{n // 2},{n}\n" for n in range(60)))
    draft, source, found = drafted(path, kind="changes")
    assert (draft.kind, source.key, found.accepted) == ("changes", ("sku",), 60)
    assert [guess for guess in draft.guesses if guess.startswith("no column tells")] == [
        "no column tells a delete: say deletes=pl.col(...) == ... where one does",
        "no column tells the order of changes: they are in that of deliveries",
    ]


def test_a_mark_of_thousands_is_declared_where_there_is_one(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("sku;price\n" + "".join(f"S{n};{n},50\n" for n in range(60)))
    draft, _, found = drafted(path)
    assert (found.accepted, 'decimal=","' in draft.text, "thousands" in draft.text) == (60, True, False)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.csv", b"", "holds no rows"),
        ("rows.csv", b"a,b\n", "holds no rows"),
        ("rows.csv.bz2", bz2.compress(b"a,b\n1,2\n"), "holds no rows.* which looks like bzip2, which is not read"),
        ("rows.orc", b"ORC\x03", "holds no rows.* which looks like ORC, which is not read"),
        ("rows.avro", avro(rows=[]), "holds no rows, of which a source could be drafted.$"),
        ("rows.json", b"[{", "no JSON"),
        ("rows.json", b"null", "no JSON of which a source can be drafted: it is no object and no array"),
        ("rows.fwf", b"a  1\n", "declare it by hand"),
        ("rows.parquet", b"PAR1xxxxPAR1", "rows.parquet is no sound Parquet file: "),
        ("rows.parquet", parquet()[:-20], "rows.parquet is no sound Parquet file: "),
        ("rows.parquet", b"PAR1" + bytes(200) + parquet()[204:], "rows.parquet is no sound Parquet file: "),
    ],
)
def test_a_file_that_says_too_little_is_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(FormatError, match=message):
        read_sample(path)


def test_one_of_many_has_a_name() -> None:
    names = ["movies", "categories", "users", "addresses", "press", "data"]
    assert list(map(singular_of, names)) == ["movie", "category", "user", "addresse", "press", "data"]
