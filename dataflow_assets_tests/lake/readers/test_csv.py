"""Files of CSV, whole and damaged: exactly which rows, rejects and refusals they give."""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import dataframely as dy
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dataflow_assets.errors import FormatError
from dataflow_assets.lake.readers import Reject, check_format, read_file
from dataflow_assets.lake.readers.base import BATCH_ROWS, MOST_NAMES, Batch
from dataflow_assets.lake.readers.csv import reader as csv_reader
from dataflow_assets.lake.readers.csv import records
from dataflow_assets.lake.readers.csv.model import Part
from dataflow_assets.lake.readers.csv.vectorized import NotPlainError
from dataflow_assets.sources import find_source
from dataflow_assets.sources.base import Snapshot, Source
from dataflow_assets.sources.formats import Csv

USERS = find_source("users")
HEAD = b"email,first_name,last_name\n"
Row = tuple[str | None, ...]

SHORT, LONG = "csv.missing_columns", "csv.too_many_columns"
AFTER_QUOTE, UNCLOSED = "csv.text_after_quote", "csv.unclosed_quote"
ENCODING, SIZE = "csv.invalid_encoding", "csv.too_long"
FORM, MISSING = "email.regex", "email.nullability"


class Found(NamedTuple):
    rows: list[Row]
    rejects: list[Reject]

    @property
    def short(self) -> list[tuple[int | None, str, str]]:
        """Line, code and text of each reject."""
        return [(reject.line, reject.code, reject.raw) for reject in self.rejects]


def _read(path: Path, source: Source = USERS) -> Found:
    batches = list(read_file(path, source).batches)
    columns = source.schema.column_names()
    rows = [row for batch in batches for row in batch.rows.select(columns).rows()]
    rejects = [reject for batch in batches for reject in batch.rejects]
    assert sum(batch.delivered for batch in batches) == len(rows) + len(rejects), "delivered is not accepted + rejected"
    return Found(rows, rejects)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "users.csv"


@pytest.fixture
def tiny_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is read some lines at a time, and the way of reading changes in its middle."""
    monkeypatch.setattr(csv_reader, "_LARGEST_PART", 30)
    monkeypatch.setattr(csv_reader, "_SMALLEST_PART", 1)


A, B = ("a@x", "A", "Aa"), ("b@x", "B", "Bb")

READ: dict[str, tuple[bytes, list[Row], list[tuple[int, str, str]]]] = {
    "plain": (HEAD + b"a@x,A,Aa\nb@x,B,Bb\n", [A, B], []),
    "no newline at the end": (HEAD + b"a@x,A,Aa\nb@x,B,Bb", [A, B], []),
    "header only": (HEAD, [], []),
    "header only, no newline": (HEAD[:-1], [], []),
    "empty": (b"", [], []),
    "a BOM": (b"\xef\xbb\xbf" + HEAD + b"a@x,A,Aa\nb,B,Bb\n", [A], [(3, FORM, "b,B,Bb")]),
    "a BOM and quotes": (b'\xef\xbb\xbf"email","first_name","last_name"\na@x,A,Aa\n', [A], []),
    "CRLF": (
        b"email,first_name,last_name\r\na@x,A,Aa\r\nc@x,C\r\nd,D,Dd\r\n\r\ne@x\r\nb@x,B,Bb\r\n",
        [A, B],
        [(3, SHORT, "c@x,C"), (4, FORM, "d,D,Dd"), (6, SHORT, "e@x")],
    ),
    "a CR inside quotes": (HEAD + b'a@x,"A\rA",Aa\n', [("a@x", "A\rA", "Aa")], []),
    "blank lines": (
        HEAD + b"\na@x,A,Aa\n\n\nc,C,Cc\n\nd@x,D\n\nb@x,B,Bb\n\n\n",
        [A, B],
        [(6, FORM, "c,C,Cc"), (8, SHORT, "d@x,D")],
    ),
    "a line of spaces": (HEAD + b"a@x,A,Aa\n   \n", [A], [(3, SHORT, "   ")]),
    "too few fields": (HEAD + b"c@x,C\na@x,A,Aa\n", [A], [(2, SHORT, "c@x,C")]),
    "too many fields": (HEAD + b"c@x,C,Cc,more\na@x,A,Aa\n", [A], [(2, LONG, "c@x,C,Cc,more")]),
    "a comma too many": (HEAD + b"a@x,A,Aa,\n", [A], []),
    "commas too many": (HEAD + b"a@x,A,Aa,,,\nc,C,,,,\nb@x,B,Bb\n", [A, B], [(3, FORM, "c,C,,,,")]),
    "newlines in quotes": (
        HEAD + b'a@x,"A\n\nA",Aa\nc,C,Cc\nd@x,D\n"e","x\ny","a ""word"""\nb@x,B,Bb\nlast,1\n',
        [("a@x", "A\n\nA", "Aa"), B],
        [(5, FORM, "c,C,Cc"), (6, SHORT, "d@x,D"), (7, FORM, '"e","x\ny","a ""word"""'), (10, SHORT, "last,1")],
    ),
    "newline in quotes of a short line": (
        HEAD + b'c@x,"C\nC"\nd,D,Dd\na@x,A,Aa\n',
        [A],
        [(2, SHORT, 'c@x,"C\nC"'), (4, FORM, "d,D,Dd")],
    ),
    "newline in the header": (
        b'email,first_name,last_name,"a\nnote"\na@x,A,Aa,1\nc,C,Cc,1\nd@x\n',
        [A],
        [(4, FORM, "c,C,Cc,1"), (5, SHORT, "d@x")],
    ),
    "quotes": (HEAD + b'"a@x","A ""the"" B","C, D"\n', [("a@x", 'A "the" B', "C, D")], []),
    "quotes inside a field": (HEAD + b'a@x,5" disc,Aa\nb@x,B,Bb\n', [("a@x", '5" disc', "Aa"), B], []),
    "quotes inside two fields": (
        HEAD + b'a@x,5" disc,Aa\nc,C,Cc\nb@x,6" disc,Bb\n',
        [("a@x", '5" disc', "Aa"), ("b@x", '6" disc', "Bb")],
        [(3, FORM, "c,C,Cc")],
    ),
    "spaces around quotes": (HEAD + b'a@x, "A\nA" ,Aa\n', [("a@x", "A\nA", "Aa")], []),
    "text after quotes": (HEAD + b'c@x,"C"C,Cc\na@x,A,Aa\n', [A], [(2, AFTER_QUOTE, 'c@x,"C"C,Cc')]),
    "an unclosed quote at the end": (
        HEAD + b'a@x,A,Aa\nc@x\nd@x,"D,Dd\ne@x,E,Ee\n',
        [A, ("e@x", "E", "Ee")],
        [(3, SHORT, "c@x"), (4, UNCLOSED, 'd@x,"D,Dd')],
    ),
    "an unclosed quote, closed by the next": (
        HEAD + b'c@x,"C,Cc\nd@x,D,Dd\ne@x,"E",Ee\na@x,A,Aa\n',
        [("d@x", "D", "Dd"), ("e@x", "E", "Ee"), A],
        [(2, UNCLOSED, 'c@x,"C,Cc')],
    ),
    "two stray quotes that make one field of whole lines": (
        HEAD + b'"c@x,C,Cc\nd@x,D,Dd\ne@x",E,Ee\na@x,A,Aa\n',
        [("d@x", "D", "Dd"), ('e@x"', "E", "Ee"), A],
        [(2, UNCLOSED, '"c@x,C,Cc')],
    ),
    "a stray quote whose end makes a short record": (
        HEAD + b'c@x,"C,Cc\nd@x,D,Dd\ne@x,E,"\na@x,A,Aa\n',
        [("d@x", "D", "Dd"), A],
        [(2, UNCLOSED, 'c@x,"C,Cc'), (4, UNCLOSED, 'e@x,E,"')],
    ),
    "a lone quote": (HEAD + b'a@x,A,Aa\n"', [A], [(3, UNCLOSED, '"')]),
    "absent values": (
        HEAD + b'a@x,,""\n,C,Cc\n"",D,Dd\n,,\n',
        [("a@x", None, None)],
        [(3, MISSING, ",C,Cc"), (4, MISSING, '"",D,Dd'), (5, MISSING, ",,")],
    ),
    "what looks absent": (HEAD + b"a@x,NULL,null\n", [("a@x", "NULL", "null")], []),
    "spaces": (HEAD + b"a@x, A , \n", [("a@x", " A ", " ")], []),
    "what looks like a comment": (HEAD + b"#c,C,Cc\na@x,\\,Aa\\\n", [("a@x", "\\", "Aa\\")], [(2, FORM, "#c,C,Cc")]),
    "other columns": (b"n,last_name,email,m,first_name\n1,Aa,a@x,2,A\n", [A], []),
    "other columns and a newline in quotes": (
        b'n,last_name,email,m,first_name\n1,Aa,a@x,"2\n3",A\n4,Cc,c,5,C\n',
        [A],
        [(4, FORM, "4,Cc,c,5,C")],
    ),
    "without a nullable column": (
        b"last_name,email\nAa,a@x\nCc,c\nd@x\n",
        [("a@x", None, "Aa")],
        [(3, FORM, "Cc,c"), (4, SHORT, "d@x")],
    ),
    "without nullable columns, and a newline in quotes": (
        b'email,n\na@x,"1\n2"\nc,3\nd@x\n',
        [("a@x", None, None)],
        [(4, FORM, "c,3"), (5, SHORT, "d@x")],
    ),
    "columns without names": (b"email,first_name,last_name,\na@x,A,Aa,1\n", [A], []),
    "a column in another case, and blanks around another": (b"Email, first_name,LAST_NAME\t\na@x,A,Aa\n", [A], []),
    "names twice that nobody reads": (b"email,first_name,last_name,note,note,,\na@x,A,Aa,b,c,,\n", [A], []),
    "columns that differ by case": (b"Email,email,first_name,last_name\n1,a@x,A,Aa\n", [A], []),
    "strange column names": (b'email,first_name,last_name,"q""uote",\xff,x\0y\na@x,A,Aa,1,2,3\n', [A], []),
    "what looks compressed": (HEAD + b"x^@x,A,Aa\n", [("x^@x", "A", "Aa")], []),
    "what looks compressed after a blank line": (HEAD + b"\nx^@x,A,Aa\n", [("x^@x", "A", "Aa")], []),
    "invalid UTF-8": (
        HEAD + b"c@x,C\xe9,Cc\na@x,A,Aa\nd,D,Dd\n",
        [A],
        [(2, ENCODING, "c@x,C\ufffd,Cc"), (4, FORM, "d,D,Dd")],
    ),
    "invalid UTF-8 in a ragged line": (HEAD + b"c@x,\xff,C,C,C\na@x,A,Aa\n", [A], [(2, ENCODING, "c@x,\ufffd,C,C,C")]),
    "NUL": (HEAD + b"c@x,C\0C,Cc\na@x,A,Aa\n\0\0\n", [A], [(2, "first_name.nul", "c@x,C\0C,Cc"), (4, SHORT, "\0\0")]),
    "other controls and line separators": (
        HEAD + "a@x,\x0b\x0c\x1a,\u2028\u0085\nc,C,Cc\n".encode(),
        [("a@x", "\x0b\x0c\x1a", "\u2028\u0085")],
        [(3, FORM, "c,C,Cc")],
    ),
}


@pytest.mark.parametrize("case", READ)
def test_a_file_gives_these_rows_and_rejects(file: Path, case: str) -> None:
    content, rows, rejects = READ[case]
    file.write_bytes(content)
    found = _read(file)
    assert found.rows == rows
    assert found.short == rejects


@pytest.mark.parametrize("row", ["", "1,A,a@x,2\n", '1,"A\nA",a@x,2\n'], ids=["no row", "plain", "any"])
def test_a_file_tells_which_columns_are_not_those_declared(file: Path, row: str) -> None:
    file.write_text(f"n,first_name,email,surname\n{row}")
    content = read_file(file, USERS)
    assert (content.undeclared_columns, content.missing_columns) == ({"n", "surname"}, {"last_name"})
    file.write_bytes(b"last_name,email,first_name\n")
    content = read_file(file, USERS)
    assert (content.undeclared_columns, content.missing_columns) == (set(), set())


def test_of_very_many_columns_only_some_are_named(file: Path) -> None:
    file.write_text(",".join(["email", *map(str, range(1_000))]) + "\n")
    assert len(read_file(file, USERS).undeclared_columns) == MOST_NAMES


REFUSED: dict[str, tuple[bytes, str]] = {
    "an error page": (
        b"<!DOCTYPE html>\n<html><body>503</body></html>\n",
        "'<!DOCTYPE html>', which looks like an HTML page",
    ),
    "a missing column": (b"first_name,last_name\nA,Aa\n", "lacks the column email"),
    "a column named twice": (
        b"email,first_name,last_name,email\na@x,A,Aa,b@x\n",
        "names the column email twice: 'email', 'email'",
    ),
    "another delimiter": (
        b"email;first_name;last_name\na@x;A;Aa\n",
        "'email;first_name;last_name', which.*delimiter=';'",
    ),
    "a column named twice by another case": (
        b"Email,EMAIL\na@x,b@x\n",
        "names the column email twice: 'Email', 'EMAIL'",
    ),
    "other column names": (b"mail,first_name\na@x,A\n", "column email. It begins with 'mail,first_name'"),
    "a blank first line": (b"\n" + HEAD + b"a@x,A,Aa\n", "lacks the column email"),
    "a newline": (b"\n", "lacks the column email"),
    "a BOM alone": (b"\xef\xbb\xbf", "lacks the column email"),
    "an unclosed quote in the header": (b'email,"first_name,last_name\na@x,A,Aa\n', "is not a CSV file"),
    "UTF-16": (
        "email,first_name,last_name\na@x,A,Aa\n".encode("utf-16"),
        "'email,first_name,last_name'.*encoding='utf-16'",
    ),
    "UTF-16 without a mark": ("email,a\n".encode("utf-16-be"), "'email,a'.*encoding='utf-16-be'"),
    "bzip2": (b"BZh91AY&SY", "looks like bzip2"),
    "an error of an object store": (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code></Error>',
        "looks like an error message of an object store",
    ),
    "a Git LFS pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n",
        "looks like a Git LFS pointer",
    ),
    "JSON": (b'[{"email": "a@x"}]', "looks like JSON"),
    "a workbook": (b"PK\x03\x04\x14\x00", "holds zip.*A workbook"),
    "an old workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "looks like an old Excel workbook"),
    "compressed": (b"\x1f\x8b\x08\x00\x00\x00\x00\x00", "holds gzip, which neither its name nor its source says"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_such_file_is_refused_before_and_at_reading(file: Path, case: str) -> None:
    content, reason = REFUSED[case]
    file.write_bytes(content)
    with pytest.raises(FormatError, match=f"users.csv.*{reason}"):
        check_format(file, USERS)
    with pytest.raises(FormatError, match=f"users.csv.*{reason}"):
        list(read_file(file, USERS).batches)


def test_a_sound_file_and_an_empty_one_may_land(file: Path) -> None:
    for content in (HEAD, b""):
        file.write_bytes(content)
        check_format(file, USERS)


def test_a_reject_says_every_reason(file: Path) -> None:
    file.write_bytes(b"title,duration_mins,original_language,size_mb\n,0,,-1\n")
    rejects = _read(file, find_source("movies")).rejects
    assert [reject.message for reject in rejects] == [
        "title is missing; duration_mins is below its minimum; size_mb is below its minimum."
    ]
    file.write_bytes(HEAD + b"c@x\n")
    assert _read(file).rejects[0].message == "the line cannot be read: it has fewer values than the file has columns."


def test_a_line_too_long_for_the_parser_is_one_reject(file: Path) -> None:
    file.write_bytes(HEAD + b"c@x," + b"C" * 3_000_000 + b",Cc\na@x,A,Aa\n")
    found = _read(file)
    assert found.rows == [A]
    assert [(reject.line, reject.code, len(reject.raw)) for reject in found.rejects] == [(2, SIZE, 3_000_007)]


def test_a_record_without_end_is_refused_before_it_fills_the_memory(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "LONGEST_KEPT", 10_000)
    file.write_bytes(HEAD + b'a@x,"A,Aa\n' + b"b@x\n" * 4_000)
    with pytest.raises(FormatError, match="has no end to the record that begins on line 2"):
        list(read_file(file, USERS).batches)


@pytest.mark.parametrize("name", ["users[1].csv", "users*.csv", "user?.csv", "users.csv.1", "é 'q\".csv", "{a,b}.csv"])
def test_a_file_name_is_no_pattern_and_no_format(tmp_path: Path, name: str) -> None:
    for neighbour in ("users1.csv", "users2.csv", "userX.csv", "a.csv"):
        (tmp_path / neighbour).write_bytes(HEAD + b"wrong@x,Wrong,File\n")
    (tmp_path / name).write_bytes(HEAD + b"a@x,A,Aa\n")
    assert _read(tmp_path / name).rows == [A]


@pytest.mark.parametrize("folder", ["email=folder@x", "column0=folder@x"])
def test_a_folder_name_is_no_value(tmp_path: Path, folder: str) -> None:
    file = tmp_path / folder / "users.csv"
    file.parent.mkdir()
    file.write_bytes(HEAD + b"a@x,A,Aa\n")
    assert _read(file).rows == [A]


# other declarations


class _Note(dy.Schema):
    name = dy.String()
    text = dy.String(nullable=True)


def _notes(reader: Csv) -> Source:
    return Snapshot(
        name="notes",
        singular="note",
        description="Notes.",
        owner="team:notes",
        schema=_Note,
        reader=reader,
        key=("name",),
    )


@pytest.mark.parametrize(
    ("reader", "line"),
    [
        (Csv(delimiter=";"), 'a;"b;c\nd"'),
        (Csv(delimiter="\t"), 'a\t"b;c\nd"'),
        (Csv(delimiter="|"), 'a|"b;c\nd"'),
        (Csv(delimiter=" "), 'a "b;c\nd"'),
        (Csv(quote="'"), "a,'b;c\nd'"),
        (Csv(delimiter="^", quote="$"), "a^$b;c\nd$"),
    ],
)
def test_a_declaration_may_name_another_delimiter_and_quote(file: Path, reader: Csv, line: str) -> None:
    file = file.with_suffix(reader.suffix)
    file.write_text(f"name{reader.delimiter}text\n{line}\nz\n", encoding="utf-8")
    found = _read(file, _notes(reader))
    assert found.rows == [("a", "b;c\nd")]
    assert found.short == [(4, SHORT, "z")]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("first", ["a,b", 'a,"b"', '"a\n",b'])
def test_without_a_header_the_columns_are_those_of_the_schema(file: Path, mark: str, first: str) -> None:
    name = "a\n" if "\n" in first else "a"
    file.write_text(f"{mark}{first}\nname,text\nz\n{first}\n", encoding="utf-8")
    found = _read(file, _notes(Csv(header=False)))
    assert found.rows == [(name, "b"), (name, "b")], "the first line is no header"
    assert [reject.raw for reject in found.rejects] == ["name,text", "z"]


# memory


@pytest.mark.parametrize("last", [b"c@x\n", b'c@x,"C\nC"\n'], ids=["plain", "any"])
def test_a_large_file_comes_in_batches_and_in_order(file: Path, last: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_reader, "_LARGEST_PART", 1 << 20)
    rows = BATCH_ROWS + 10_000
    with file.open("wb") as written:
        written.write(HEAD)
        written.writelines(b"%d@x,A,Aa\n" % number for number in range(rows))
        written.write(last)
    count = 0
    sizes, rejects = [], []
    for batch in read_file(file, USERS).batches:
        sizes.append(batch.rows.height)
        rejects += batch.rejects
        positions = batch.rows["position"].to_list()
        assert positions == list(range(count, count + len(positions)))
        assert batch.rows["email"].to_list() == [f"{position}@x" for position in positions]
        count += len(positions)
    assert count == rows
    assert max(sizes) <= BATCH_ROWS
    assert [(reject.line, reject.raw) for reject in rejects] == [(rows + 2, last.decode().rstrip("\n"))]


# for all inputs

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
FIELD = st.one_of(TEXT, st.text('", \n\r\t\\é', max_size=6))
WORD = st.text(st.characters(categories=["L", "N", "P", "S"], exclude_characters="@"), min_size=1, max_size=5)
PERSON = st.tuples(st.builds("{}@{}".format, WORD, WORD), FIELD, FIELD)
QUICK = settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def _written(rows: Sequence[Row], quoting: int, end: str) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, quoting=quoting, lineterminator=end)  # type: ignore[arg-type]
    writer.writerows([("email", "first_name", "last_name"), *rows])
    return text.getvalue().encode()


@QUICK
@given(
    st.lists(PERSON, max_size=8), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]), st.sampled_from(["\n", "\r\n"])
)
@example([("a@x", ' "', '"'), ("b@x", "\r", ' ""\n'), ("c@x", "\n\n", "")], csv.QUOTE_ALL, "\n")
@example([("a@x", ' "', '"'), ("b@x", "\r", ' ""\n'), ("c@x", "\n\n", "")], csv.QUOTE_MINIMAL, "\r\n")
def test_any_text_comes_back_unchanged(file: Path, rows: list[tuple[str, str, str]], quoting: int, end: str) -> None:
    if (quoting, end) == (csv.QUOTE_MINIMAL, "\n"):  # Python would not quote a CR
        rows = [(email, first.replace("\r", ""), last.replace("\r", "")) for email, first, last in rows]
    file.write_bytes(_written(rows, quoting, end))
    assert _read(file) == ([tuple(value or None for value in row) for row in rows], [])


LINES = ["a@x,A,Aa", "a@x,A", "no,A,Aa", "", 'a@x,"A, B",Aa', 'b@x,"",Bb,', ",,,", " a@x , A,", "email,first_name"]


@QUICK
@given(
    st.lists(
        st.tuples(st.one_of(st.sampled_from(LINES), FIELD), st.sampled_from(["", "\n", "\r\n", "\r"])), max_size=6
    ),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["email,first_name,last_name", "last_name,n,email", "email,first_name"]),
    st.booleans(),
)
@example([('a@x,"', ""), ('",Aa', "")], "\n", "email,first_name,last_name", False)
@example([("", ""), ("a@x,A,Aa", "\r"), ("", "")], "\n", "email,first_name,last_name", False)
@example(
    [("a@x,A", ""), ("no,A,Aa", ""), ("b@x,B,Bb,", ""), ("", ""), ('a@x,"""A"",",', "")],
    "\r\n",
    "email,first_name,last_name",
    False,
)
@example(
    [("a@x,A", ""), (",,,,", ""), ("a@x,A,,,", ""), (" ,,,", ""), ('a@x,A,""', "")], "\n", "email,first_name", True
)
@example([("a@x,A,,,", ""), (",,,,", ""), ('b@x,"B\nB"', "")], "\n", "email,first_name", False)
@example([("email,first_name", "\n"), ("a@x,A", "")], "\n", "email,first_name", False)
def test_a_file_is_read_in_two_ways_alike(
    tiny_parts: None, file: Path, lines: list[tuple[str, str]], end: str, header: str, strip: bool
) -> None:
    """The quick way, where it goes, finds what the thorough way finds."""
    file.write_bytes((header + end + "".join(line + (odd or end) for line, odd in lines)).encode())
    source = replace(USERS, reader=Csv(strip=strip))
    with pytest.MonkeyPatch.context() as patch:
        both = _outcome(read_file(file, source).batches)
        patch.setattr(csv_reader, "parse_lines", _never_plain)
        assert both == _outcome(read_file(file, source).batches)


def _never_plain(*_: object) -> Part:
    raise NotPlainError


def _outcome(batches: Iterator[Batch]) -> tuple[list[Row], list[Reject], int, Counter[str]]:
    """Rows with their positions, rejects, count, and what was repaired."""
    read = list(batches)
    rows = [row for batch in read for row in batch.rows.rows()]
    repaired = sum((Counter(batch.repaired) for batch in read), Counter[str]())
    return (
        rows,
        [reject for batch in read for reject in batch.rejects],
        sum(batch.delivered for batch in read),
        repaired,
    )
