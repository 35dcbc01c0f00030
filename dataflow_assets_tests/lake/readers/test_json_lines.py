"""Files of JSON lines, whole and damaged: exactly which rows, rejects and refusals they give."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dataflow_assets.errors import FormatError
from dataflow_assets.lake.readers import Reject, check_format, read_file
from dataflow_assets.lake.readers.json import lines, records
from dataflow_assets_tests.lake.readers.packing import COLUMNS, FORMATS, users

USERS = users(FORMATS["JSON lines"][0])
Row = tuple[Any, ...]
A, B = b'{"email":"a@x","first_name":"A","last_name":"Aa"}', b'{"last_name":"Bb","email":"b@x","more":[1]}'
A_ROW, B_ROW = ("a@x", "A", "Aa"), ("b@x", None, "Bb")
INVALID, TWICE, ENCODING, FORM = "json.invalid", "json.duplicate_key", "json.invalid_encoding", "email.regex"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "users.jsonl"


@pytest.fixture(params=[8 << 20, 1, 30], ids=["one block", "bytes", "small blocks"])
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """However a file is cut into blocks, it gives the same."""
    monkeypatch.setattr(lines, "_BLOCK_BYTES", request.param)


def _read(path: Path) -> tuple[list[Row], list[Reject]]:
    batches = list(read_file(path, USERS).batches)
    rows = [row for batch in batches for row in batch.rows.select(COLUMNS).rows()]
    positions = [position for batch in batches for position in batch.rows["position"]]
    rejects = [reject for batch in batches for reject in batch.rejects]
    assert sum(batch.delivered for batch in batches) == len(rows) + len(rejects), "delivered is not accepted + rejected"
    assert positions == sorted(set(positions))
    return rows, rejects


READ: dict[str, tuple[bytes, list[Row], list[tuple[int, str, str]]]] = {
    "plain": (A + b"\n" + B + b"\n", [A_ROW, B_ROW], []),
    "no newline at the end": (A + b"\n" + B, [A_ROW, B_ROW], []),
    "a BOM": (b"\xef\xbb\xbf" + A + b"\n" + B, [A_ROW, B_ROW], []),
    "CRLF": (A + b"\r\n\r\n" + B + b"\r\nno\r\n", [A_ROW, B_ROW], [(4, INVALID, "no")]),
    "lone CR": (A + b"\r\r" + B + b"\rno\r", [A_ROW, B_ROW], [(4, INVALID, "no")]),
    "all of them": (A + b"\r\n" + B + b"\rno\n\rno", [A_ROW, B_ROW], [(3, INVALID, "no"), (5, INVALID, "no")]),
    "blank lines": (b"\n  \n" + A + b"\n\t\n\n" + b"no\n\n", [A_ROW], [(6, INVALID, "no")]),
    "spaces around": (b" " + A + b"\t\n", [A_ROW], []),
    "a broken line": (A + b'\n{"email":"b@x",\n' + B, [A_ROW, B_ROW], [(2, INVALID, '{"email":"b@x",')]),
    "what looks compressed": (b"x^\n" + B, [B_ROW], [(1, INVALID, "x^")]),
    "a broken line, first of all": (b"{ no\n" + B, [B_ROW], [(1, INVALID, "{ no")]),
    "an unclosed quote": (b'{"email":"b@x}\n' + A, [A_ROW], [(1, INVALID, '{"email":"b@x}')]),
    "no objects": (
        A + b'\n1\nnull\n"{"\n[' + B + b"]\n",
        [A_ROW],
        [(2, INVALID, "1"), (3, INVALID, "null"), (4, INVALID, '"{"'), (5, INVALID, f"[{B.decode()}]")],
    ),
    "two objects on a line": (A + b"\n" + B + B, [A_ROW, B_ROW, B_ROW], []),
    "an object and half of one on a line": (
        A + b"\n" + B + b'{"email":',
        [A_ROW],
        [(2, INVALID, B.decode() + '{"email":')],
    ),
    "an object on two lines": (
        A + b'\n{"email":\n"b@x"}\n',
        [A_ROW],
        [(2, INVALID, '{"email":'), (3, INVALID, '"b@x"}')],
    ),
    "rules that are broken": (
        b'{"email":"no"}\n{}\n{"email":1}\n' + A,
        [A_ROW],
        [(1, FORM, '{"email":"no"}'), (2, "email.nullability", "{}"), (3, FORM, '{"email":1}')],
    ),
    "a key twice": (
        b'{"email":"a@x","email":"b@x"}\n{"email":"a@x","z":{"y":1,"y":2}}\n' + A,
        [A_ROW],
        [(1, TWICE, '{"email":"a@x","email":"b@x"}'), (2, TWICE, '{"email":"a@x","z":{"y":1,"y":2}}')],
    ),
    "NUL": (
        b'{"email":"a@x","first_name":"A\\u0000"}\n{"email":"a@x","first_name":"\0"}\n\0\n' + A,
        [A_ROW],
        [
            (1, "first_name.nul", '{"email":"a@x","first_name":"A\\u0000"}'),
            (2, INVALID, '{"email":"a@x","first_name":"\0"}'),
            (3, INVALID, "\0"),
        ],
    ),
    "a lone surrogate": (
        b'{"email":"a@x","z":"\\ud800"}\n' + A,
        [A_ROW],
        [(1, INVALID, '{"email":"a@x","z":"\\ud800"}')],
    ),
    "invalid UTF-8": (
        A + b'\n{"email":"\xff@x"}\n' + '{"email":"\ufffd@x"}\n'.encode() + B,
        [A_ROW, ("\ufffd@x", None, None), B_ROW],
        [(2, ENCODING, '{"email":"\ufffd@x"}')],
    ),
    "line separators of Unicode": (
        '{"email":"a@x","first_name":"\u2028\u0085\\r\\n"}\n'.encode() + A,
        [("a@x", "\u2028\u0085\r\n", None), A_ROW],
        [],
    ),
}


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("case", READ)
def test_a_file_gives_these_rows_and_rejects(file: Path, case: str) -> None:
    content, expected, rejected = READ[case]
    file.write_bytes(content)
    check_format(file, USERS)
    rows, rejects = _read(file)
    assert rows == expected
    assert [(reject.line, reject.code, reject.raw) for reject in rejects] == rejected


def test_a_file_tells_which_keys_nobody_reads(file: Path) -> None:
    file.write_bytes(A + b"\n" + B + b'\n{"email":"no","z":1}\n{"y":1,"y":1}')
    found = read_file(file, USERS)
    list(found.batches)
    assert (found.undeclared_columns, found.missing_columns) == ({"more", "z"}, set())


def test_a_line_over_the_limit_is_one_reject(file: Path) -> None:
    long = b'{"email":"a@x","z":"' + b"z" * records.LONGEST_RECORD + b'"}'
    file.write_bytes(A + b"\n" + long + b"\n" + B)
    rows, rejects = _read(file)
    assert rows == [A_ROW, B_ROW]
    assert [(reject.line, reject.code, reject.raw) for reject in rejects] == [
        (2, "json.line_size_over_maximum", long.decode())
    ]


def test_a_line_without_end_is_refused_before_it_fills_the_memory(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LONGEST_KEPT", 1_000)
    monkeypatch.setattr(lines, "_BLOCK_BYTES", 100)
    file.write_bytes(A + b"\n{" + b" " * 2_000)
    with pytest.raises(
        FormatError, match=r"^users\.jsonl is not a file of JSON lines: the one at line 2 has no end\.$"
    ):
        _read(file)


QUICK = settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@QUICK
@given(st.lists(st.tuples(TEXT, TEXT), max_size=8), st.booleans())
def test_any_text_comes_back_unchanged(file: Path, rows: list[tuple[str, str]], ascii_only: bool) -> None:
    expected = [("a@x", *row) for row in rows]
    lines = (json.dumps(dict(zip(COLUMNS, row, strict=True)), ensure_ascii=ascii_only) + "\n" for row in expected)
    file.write_bytes("".join(lines).encode())
    assert _read(file) == (expected, [])


WHOLE = b"".join(b'{"email":"%d@x","z":{"y":"]"}}\n' % number for number in range(15))


@QUICK
@given(st.integers(0, 450), st.one_of(st.binary(max_size=4), st.text('{}[]",:\\ \r\n', max_size=4).map(str.encode)))
@example(0, b"\xff")
@example(0, b"[")
@example(0, b" [")
@example(0, b"\x1f\x8b")
def test_damage_costs_no_line_but_those_it_hits(file: Path, place: int, damage: bytes) -> None:
    damaged = WHOLE[:place] + damage + WHOLE[place + len(damage) :]
    file.write_bytes(damaged)
    untouched = [line for line in WHOLE.splitlines() if line in damaged.splitlines()]
    try:
        rows, _ = _read(file)
    except FormatError:
        assert damaged.lstrip().startswith((b"[", b"\x1f\x8b"))  # an array, or gzip
        return
    assert {f"{json.loads(line)['email']}" for line in untouched} <= {row[0] for row in rows}
