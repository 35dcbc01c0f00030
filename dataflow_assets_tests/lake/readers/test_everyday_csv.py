"""CSV as people's programs write it: other encodings, marks, dates, tokens, and lines that are no rows."""

from collections import Counter
from pathlib import Path
from typing import Any

import dataframely as dy
import pytest

from dataflow_assets.errors import FormatError
from dataflow_assets.lake.readers import check_format, read_file
from dataflow_assets.sources.base import Snapshot
from dataflow_assets.sources.formats import Csv

HEAD = "no;who;amount;rate;day\n"


class Orders(dy.Schema):
    no = dy.String(min_length=1)
    who = dy.String(nullable=True)
    amount = dy.Decimal(12, 2, nullable=True)
    rate = dy.Float64(nullable=True)
    day = dy.Date(nullable=True)


def orders(**how: Any) -> Snapshot:
    return Snapshot(
        name="orders",
        singular="order",
        description="Made up.",
        owner="team:tests",
        schema=Orders,
        reader=Csv(**{"delimiter": ";", **how}),
        key=("no",),
    )


def found(path: Path, content: str | bytes, **how: Any) -> tuple[list[tuple[str, ...]], list[str], dict[str, int]]:
    """Rows as texts, codes of rejects, and what was repaired; the sum holds."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    check_format(path, orders(**how))
    batches = list(read_file(path, orders(**how)).batches)
    rows = [tuple(map(str, row[:5])) for batch in batches for row in batch.rows.select(Orders.column_names()).rows()]
    rejects = [reject.code for batch in batches for reject in batch.rejects]
    assert sum(batch.delivered for batch in batches) == len(rows) + len(rejects)
    return rows, rejects, dict(sum((Counter(batch.repaired) for batch in batches), Counter[str]()))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "orders.csv"


WINDOWS = HEAD + "1;Pr\u20acis \u201cBest\u201d;;;\n"


@pytest.mark.parametrize(
    ("encoding", "declared", "text", "repaired"),
    [
        ("cp1252", "cp1252", "Pr\u20acis \u201cBest\u201d", {}),
        ("cp1252", "latin-1", "Pr\u20acis \u201cBest\u201d", {"windows_characters": 3}),
        ("cp1250", "cp1250", "\u0141\u00f3d\u017a \u20ac", {}),
        ("iso-8859-15", "iso-8859-15", "\u20ac \u0160", {}),
        ("latin-1", "latin-1", "\u0081", {"control_characters": 1}),
        ("utf-8", "latin-1", "M\u00fcller \u20ac", {"utf_8": 1}),
        ("utf-8", "cp1252", "M\u00fcller", {"utf_8": 1}),
        ("latin-1", "cp1252", "M\u00fcller", {}),
        ("ascii", "cp1252", "Miller", {}),
        ("shift_jis", "shift_jis", "\u65e5\u672c", {}),
        ("utf-16", "utf-16", "M\u00fcller", {}),
    ],
)
def test_text_in_another_encoding_is_read_exactly(
    file: Path, encoding: str, declared: str, text: str, repaired: dict[str, int]
) -> None:
    rows, rejects, told = found(file, f"{HEAD}1;{text};;;\n".encode(encoding), encoding=declared)
    assert ([row[1] for row in rows], rejects, told) == ([text], [], repaired)


@pytest.mark.parametrize(
    ("encoding", "text", "broken"),
    [
        ("cp1252", "\xe9", b"\x81"),
        ("iso-8859-7", "\u03b1", b"\xff"),
        ("shift_jis", "\u65e5", b"\xfd\xfe"),
        ("cp1252", "\xe9", b"\x81\x8d"),
    ],
)
def test_a_line_of_what_an_encoding_does_not_have_is_rejected(
    file: Path, encoding: str, text: str, broken: bytes
) -> None:
    lines = f"1;{text};;;\n2;{text}".encode(encoding) + broken + f";;;\n3;{text};;;\n".encode(encoding)
    rows, rejects, _ = found(file, HEAD.encode() + lines, encoding=encoding)
    assert ([row[:2] for row in rows], rejects) == ([("1", text), ("3", text)], ["csv.invalid_encoding"])


def test_lines_of_utf_8_among_others_are_counted(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataflow_assets.lake.readers.encodings._CHUNK_BYTES", 7)
    lines = ["1;M\xe9;;;", "2;ascii;;;", "3;;;;"]
    content = (
        HEAD.encode()
        + "\n".join(lines).encode("cp1252")
        + b"\n4;\xc3\xa9;;;\n5;"
        + b"\xc3\xa9" * 20
        + b";;;\n6;\xc3\xa9;;;"
    )
    rows, rejects, repaired = found(file, content, encoding="cp1252")
    assert (len(rows), rows[0][1], rejects, repaired["looks_like_utf_8"]) == (6, "M\xe9", [], 2)


@pytest.mark.parametrize("text", ["x", '"x\ny"'], ids=["vectorized", "records"])
def test_marks_in_numbers_formats_of_dates_and_tokens(file: Path, text: str) -> None:
    how: dict[str, Any] = {
        "decimal": ",",
        "thousands": ".",
        "date_formats": ("%d/%m/%Y", "%d.%m.%y"),
        "nulls": ("NULL", "-"),
    }
    good = f"1;{text};1.234,50;-1.000.000,25;31/12/2025\n2;NULL;12,5;1e-3;01.02.26\n3;-;-;1234;NULL\n"
    bad = "4;;12.50;;\n5;;1.23,4;;\n6;;;1.5;\n7;;;;2025-12-31\n8;;;;31/12/25\n9;;1,234;;\n"
    rows, rejects, _ = found(file, HEAD + good + bad, **how)
    assert rows == [
        ("1", text.strip('"'), "1234.50", "-1000000.25", "2025-12-31"),
        ("2", "None", "12.50", "0.001", "2026-02-01"),
        ("3", "None", "None", "1234.0", "None"),
    ]
    assert rejects == ["amount.decimal", "amount.decimal", "rate.dtype", "day.date", "day.date", "amount.decimal"]


@pytest.mark.parametrize("text", ["x", '"x\ny"'], ids=["vectorized", "records"])
def test_lines_before_the_header_comments_and_a_trailer_are_no_rows(file: Path, text: str) -> None:
    how: dict[str, Any] = {"skip_lines": 2, "comment": "#", "trailer": "TRL"}
    content = f'report\nof "today\n# a\n{HEAD}1;{text};;;\n# it "is\n2;;;;\nTRL;"0002";;;\n\n'
    rows, rejects, repaired = found(file, content, **how)
    assert ([row[0] for row in rows], rejects, repaired.get("separator_line")) == (["1", "2"], [], None)
    for wrong, reason in (
        (content.replace("0002", "3"), "holds 2 rows, but its trailer says 3"),
        (content.partition("TRL")[0], "may be cut short"),
        (content + "3;;;;\n", "may be cut short"),
        (content + "TRL;2\n", "may be cut short"),
    ):
        with pytest.raises(FormatError, match=reason):
            found(file, wrong, **how)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("before", "how"),
    [
        ("# export\n", {"header": False, "comment": "#"}),
        ("export\n", {"header": False, "skip_lines": 1}),
        (f"# export\n{HEAD}", {"comment": "#"}),
        (f"export\nof today\n{HEAD}", {"skip_lines": 2}),
        (f"sep=;\n{HEAD}", {}),
    ],
)
def test_what_stands_before_the_rows_ends_as_they_do(file: Path, before: str, how: dict[str, Any], end: str) -> None:
    rows, rejects, repaired = found(file, f"{before}1;a;;;\n2;;;;\n".replace("\n", end), **how)
    assert ([row[0] for row in rows], rejects, "line_ends" in repaired) == (["1", "2"], [], end != "\n")


@pytest.mark.parametrize(
    ("before", "how"),
    [
        ("# made\r\r\n", {"comment": "#"}),
        ("export\r\r\nof today\r\r\n", {"skip_lines": 2}),
        ("note\rmore\n", {"skip_lines": 1}),
        (f"# note\r{70_000 * 'x'}\n", {"comment": "#"}),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\r\n"])
def test_a_cr_ends_no_line_before_the_rows_of_a_file_with_lf(
    file: Path, before: str, how: dict[str, Any], end: str
) -> None:
    rows, rejects, _ = found(file, before + f"{HEAD}1;a;;;\n2;;;;\n".replace("\n", end), **how)
    assert ([row[0] for row in rows], rejects) == (["1", "2"], [])


def test_a_line_that_names_the_delimiter_is_no_header(file: Path) -> None:
    rows, rejects, repaired = found(file, "\ufeffsep=;\r\n" + HEAD + "1;;;;\n")
    assert ([row[0] for row in rows], rejects, repaired["separator_line"]) == (["1"], [], 1)
    with pytest.raises(FormatError, match="its delimiter is ',', but its source is declared with ';'"):
        found(file, "sep=,\n" + HEAD.replace(";", ","))


def test_without_quotes_a_quote_is_a_character(file: Path) -> None:
    content = HEAD + '1;"a;;;\n2;b"" c";;;\n"3;x\xff;;;\n'
    rows, rejects, _ = found(file, content, quote=None)
    assert ([row[:2] for row in rows], rejects) == ([("1", '"a'), ("2", 'b"" c"'), ('"3', "x\xff")], [])
    rows, rejects, _ = found(file, (HEAD + '1;"a;;;\n').encode() + b"2;\xff;;;\n", quote=None)
    assert ([row[:2] for row in rows], rejects) == ([("1", '"a')], ["csv.invalid_encoding"])


@pytest.mark.parametrize(
    "how",
    [
        {"quote": ""},
        {"delimiter": "||"},
        {"delimiter": "\u00a7"},
        {"delimiter": ""},
        {"delimiter": "\n"},
        {"delimiter": ",", "quote": ","},
        {"encoding": "klingon"},
        {"decimal": ",", "thousands": ","},
        {"decimal": ""},
        {"thousands": "1"},
        {"nulls": "NULL"},
        {"date_formats": ("%d/%m",)},
        {"date_formats": ("%Y-%j-%Q",)},
        {"skip_lines": -1},
        {"trailer": "a\nb"},
    ],
)
def test_what_no_reader_takes_is_refused_by_the_declaration(how: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"CSV|mark|nulls|date format|lines"):
        Csv(**how)
