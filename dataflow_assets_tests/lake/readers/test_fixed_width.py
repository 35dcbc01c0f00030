"""Fixed-width text: every line is a row, a reject, skipped or blank."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow_assets.errors import FormatError
from dataflow_assets.sources.formats import FixedWidth
from dataflow_assets_tests.lake.readers.formats_source import read

WIDTHS = {"sku": 5, "filler": 1, "name": 6, "qty": 3}
READER = FixedWidth(widths=WIDTHS)


def written(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "prices.fwf"
    path.write_bytes(text.encode(encoding))
    return path


def test_columns_are_cut_by_characters(tmp_path: Path) -> None:
    found = read(written(tmp_path, "00012|Zoë日  3  \r\n\r\nB    |       12\r\n"), READER)
    assert [row[:3] for row in found.rows] == [("00012", "Zoë日", 3), ("B", None, 12)]


def test_lines_of_another_length_are_rejected_with_their_text(tmp_path: Path) -> None:
    found = read(written(tmp_path, "A    |      1  \nB    |x\nC    |      1  9\n     |      1  \n"), READER)
    assert [row[0] for row in found.rows] == ["A"]
    assert found.reasons == [
        (2, "fixed_width.length", "the line has 7 characters, not 15.", "B    |x"),
        (3, "fixed_width.length", "the line has 16 characters, not 15.", "C    |      1  9"),
        (4, "sku.nullability", "sku is missing.", "     |      1  "),
    ]


def test_blanks_at_the_end_may_be_missing_where_it_is_declared(tmp_path: Path) -> None:
    found = read(written(tmp_path, "A    |      1\nB\n"), FixedWidth(widths=WIDTHS, whole_lines=False))
    assert [row[:3] for row in found.rows] == [("A", None, 1), ("B", None, None)]


def test_lines_at_the_beginning_are_skipped(tmp_path: Path) -> None:
    reader = FixedWidth(widths=WIDTHS, skip_lines=2)
    found = read(written(tmp_path, "\ufeffREPORT\n-----\nA    |      1  \nno\n"), reader)
    assert ([row[0] for row in found.rows], [one.line for one in found.rejects]) == (["A"], [4])


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_in_any_way(tmp_path: Path, end: str) -> None:
    lines = ["REPORT", *(f"{number:05}|      1  " for number in range(20_000)), "no", ""]
    found = read(written(tmp_path, end.join(lines)), FixedWidth(widths=WIDTHS, skip_lines=1))
    assert [row[0] for row in found.rows] == [f"{number:05}" for number in range(20_000)]
    assert found.reasons == [(20_002, "fixed_width.length", "the line has 2 characters, not 15.", "no")]


def test_a_cr_ends_no_line_of_a_file_with_lf(tmp_path: Path) -> None:
    reader = FixedWidth(widths=WIDTHS, skip_lines=2, whole_lines=False)
    lines = ["REPORT", "H    |      1  ", "A    |      1  ", "B    |x\ry   2", "C    |y\rx   3  9", ""]
    found = read(written(tmp_path, "\r\r\n".join(lines)), reader)
    assert [row[:3] for row in found.rows] == [("A", None, 1), ("B", "x\ry", 2)]
    assert [(one.line, one.code) for one in found.rejects] == [(5, "fixed_width.length")]


def test_another_encoding_is_read_where_it_is_declared(tmp_path: Path) -> None:
    reader = FixedWidth(widths=WIDTHS, encoding="cp1252")
    assert read(written(tmp_path, "€    |Zoë   1  \n", "cp1252"), reader).rows[0][:2] == ("€", "Zoë")
    path = written(tmp_path, "A    |      1  \n")
    path.write_bytes(path.read_bytes() + b"\xff    |      1  \n")
    assert [one.code for one in read(path, READER).rejects] == ["fixed_width.encoding"]


def test_another_file_is_refused_with_its_first_line(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no fixed-width text of 15 characters a line: its first has 8, 'sku,name'"):
        read(written(tmp_path, "sku,name\n"), READER)


@pytest.mark.parametrize("widths", [{}, {"sku": 0}])
def test_columns_without_characters_are_refused(widths: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least one character"):
        FixedWidth(widths=widths)


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=20)))
def test_every_line_that_is_not_blank_is_a_row_or_a_reject(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    path = written(tmp_path_factory.mktemp("lines"), "\n".join(["A    |      1  ", *lines]))
    expected = sum(bool(line.encode().strip()) for line in lines) + 1
    assert read(path, READER).delivered == expected
