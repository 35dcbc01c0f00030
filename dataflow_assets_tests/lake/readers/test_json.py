"""Files of JSON, whole and damaged: exactly which rows, rejects and refusals they give."""

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import dataframely as dy
import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dataflow_assets.errors import FormatError
from dataflow_assets.lake.readers import Reject, check_format, read_file
from dataflow_assets.lake.readers.base import MOST_NAMES
from dataflow_assets.lake.readers.json import array as json_reader
from dataflow_assets.lake.readers.json import lines as json_lines
from dataflow_assets.lake.readers.json.names import Names
from dataflow_assets.sources import find_source
from dataflow_assets.sources.base import Snapshot, Source
from dataflow_assets.sources.formats import Json
from dataflow_assets_tests.lake.conftest import Reference

BOOKS = find_source("books")
Row = tuple[Any, ...]
A = b'{"name":"A","pages":1,"author":"x","publisher":"y"}'
A_ROW: Row = ("A", 1, "x", "y")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "books.json"


def _read(path: Path, source: Source = BOOKS) -> tuple[list[Row], list[Reject], int]:
    """Rows, rejects and how many were delivered."""
    batches = list(read_file(path, source).batches)
    columns = source.schema.column_names()
    rows = [row for batch in batches for row in batch.rows.select(columns).rows()]
    return rows, [reject for batch in batches for reject in batch.rejects], sum(batch.delivered for batch in batches)


READ: dict[str, tuple[bytes, list[Row], list[tuple[str, str]]]] = {
    "plain": (b"[" + A + b"," + A + b"]", [A_ROW, A_ROW], []),
    "empty": (b"", [], []),
    "an empty array": (b" [ ]\n", [], []),
    "spaces": (b" \r\n[\n\t" + A + b"\n ,\n" + A + b"\n]\n\n", [A_ROW, A_ROW], []),
    "a BOM": (b"\xef\xbb\xbf[" + A + b"]", [A_ROW], []),
    "other keys": (b'[{"x":[{"y":"]"}],"pages":2,"name":"B"}]', [("B", 2, None, None)], []),
    "keys in another case": (b'[{"Name":"B"," PAGES":2}]', [("B", 2, None, None)], []),
    "an empty object": (b"[{}," + A + b"]", [A_ROW], [("title.nullability", "{}")]),
    "nulls": (
        b'[{"name":null},{"name":"B","pages":null}]',
        [("B", None, None, None)],
        [("title.nullability", '{"name":null}')],
    ),
    "empty text": (b'[{"name":""}]', [], [("title.min_length", '{"name":""}')]),
    "numbers as text and text as numbers": (b'[{"name":1,"pages":"2"}]', [("1", 2, None, None)], []),
    "objects and arrays for a text": (
        b'[{"name":{"a":1}},{"name":"B","author":["x"]},{"name":"{}","author":"[","publisher":null}]',
        [("{}", None, "[", None)],
        [("title.dtype", '{"name":{"a":1}}'), ("author.dtype", '{"name":"B","author":["x"]}')],
    ),
    "wrong numbers": (
        b'[{"name":"B","pages":1.5},{"name":"B","pages":true},{"name":"B","pages":[1]},{"name":"B","pages":"x"},'
        b'{"name":"B","pages":99999999999999999999},{"name":"B","pages":0},{"name":"B","pages":NaN}]',
        [],
        [
            ("pages.dtype", '{"name":"B","pages":1.5}'),
            ("pages.dtype", '{"name":"B","pages":true}'),
            ("pages.dtype", '{"name":"B","pages":[1]}'),
            ("pages.dtype", '{"name":"B","pages":"x"}'),
            ("pages.dtype", '{"name":"B","pages":99999999999999999999}'),
            ("pages.min", '{"name":"B","pages":0}'),
            ("pages.dtype", '{"name":"B","pages":NaN}'),
        ],
    ),
    "an escaped NUL": (
        b'[{"name":"A\\u0000B"},{"name":"C"}]',
        [("C", None, None, None)],
        [("title.nul", '{"name":"A\\u0000B"}')],
    ),
    "an escaped NUL that nobody asked for": (b'[{"name":"C","z":"\\u0000"}]', [("C", None, None, None)], []),
    "escapes": (
        b'[{"name":"a\\"b{[\\\\","publisher":"\\ud83c\\udfac\\n\\u00e9"}]',
        [('a"b{[\\', None, None, "🎬\né")],
        [],
    ),
    "text as it was written": (
        b'[{ "pages" : 0,\n"name":"\xc3\xa9" }]',
        [],
        [("pages.min", '{ "pages" : 0,\n"name":"é" }')],
    ),
    "deep nesting": (b'[{"name":"B","z":' + b"[" * 500 + b"]" * 500 + b"}]", [("B", None, None, None)], []),
    "a long object": (b'[{"name":"B","z":"' + b"z" * 7_000_000 + b'"}]', [("B", None, None, None)], []),
}


@pytest.mark.parametrize("case", READ)
def test_a_file_gives_these_rows_and_rejects(file: Path, case: str) -> None:
    content, expected, rejected = READ[case]
    file.write_bytes(content)
    rows, rejects, delivered = _read(file)
    assert rows == expected
    assert [(reject.code, reject.raw) for reject in rejects] == rejected
    assert delivered == len(rows) + len(rejects)
    assert {reject.line for reject in rejects} <= {None}


@pytest.mark.parametrize(
    ("content", "undeclared_columns", "missing_columns"),
    [
        (b"[" + A + b"]", set(), set()),
        (
            b'[{"z":1,"name":"B","author":null},{"name":"B","y":{"name":2}},{"name":"B","y":3}]',
            {"y", "z"},
            {"pages", "publisher"},
        ),
        (b'[{"Name":"B","":1,"\xc3\xa9\\"":2,"a\\u0000b":3,"author":""}]', {"", 'é"', "a\0b"}, {"pages", "publisher"}),
        (b"[]", set(), set()),
    ],
)
def test_a_file_tells_which_keys_nobody_reads_and_which_it_lacks(
    file: Path, content: bytes, undeclared_columns: set[str], missing_columns: set[str]
) -> None:
    file.write_bytes(content)
    found = read_file(file, BOOKS)
    list(found.batches)
    assert (found.undeclared_columns, found.missing_columns) == (undeclared_columns, missing_columns)


def test_a_key_that_a_path_goes_through_is_read(file: Path) -> None:
    author = {"metadata": {"name": "A", "age": 1}, "nationalities": [], "metadata.name": 2}
    file.write_text(json.dumps([author]), encoding="utf-8")
    found = read_file(file, find_source("authors"))
    list(found.batches)
    assert found.undeclared_columns == {"metadata.name"}


def test_of_keys_without_end_only_some_are_named(file: Path) -> None:
    file.write_text(json.dumps([{"name": "B", f"key {number}": 1} for number in range(1_000)]), encoding="utf-8")
    found = read_file(file, BOOKS)
    list(found.batches)
    assert len(found.undeclared_columns) == MOST_NAMES


NOT_WHOLE = {
    "cut after a comma": b"[" + A + b",",
    "cut after an object": b"[" + A,
    "cut in an object": b"[" + A + b',{"name":"B"',
    "cut in a text": b"[" + A + b',{"name":"B',
    "cut in a text full of escapes": b"[" + A + b',{"name":"' + b'\\"' * 100_000,
    "cut at once": b"[",
    "a comma at the end": b"[" + A + b" , ]",
    "two arrays": b"[" + A + b"][" + A + b"]",
    "two arrays on two lines": b"[" + A + b"]\n[" + A + b"]\n",
    "an object": A,
    "objects on lines": A + b"\n" + A + b"\n",
    "text after the array": b"[" + A + b"] sorry",
    "a bracket too many": b"[" + A + b"]]",
    "a brace too many": b"[" + A + b"}]",
    "spaces alone": b" \n ",
    "an error page": b"<!DOCTYPE html>\n<html><body>[503]</body></html>\n",
    "plain text": b"sorry",
    "UTF-16": '[{"name":"A"}]'.encode("utf-16"),
    "text before the array": b"sorry [" + A + b"]",
    "a missing comma": b"[" + A + b" " + A + b"]",
    "two commas": b"[" + A + b",," + A + b"]",
    "a comma at the beginning": b"[," + A + b"]",
    "a comma far from the end": b"[" + A + b"," + b" " * 2_000 + b"]",
    "a comment": b"[/* {} */" + A + b"]",
    "a NUL between": b"[" + A + b"\0," + A + b"]",
    "numbers": b"[1,2]",
    "a number behind an object": b"[" + A + b",1]",
    "a null": b"[null," + A + b"]",
    "texts": b'["{","}"]',
    "an array in an array": b"[[" + A + b"]]",
    "an array behind an object": b"[" + A + b",[]]",
    "very many texts, the last one open": b"[" + b'"a",' * 300_000 + b'"',
}


@pytest.mark.parametrize("case", NOT_WHOLE)
def test_what_is_not_one_whole_array_is_refused_before_and_at_reading(file: Path, case: str) -> None:
    file.write_bytes(NOT_WHOLE[case])
    for use in (check_format, lambda path, source: list(read_file(path, source).batches)):
        with pytest.raises(FormatError, match=r"books\.json is not a JSON file that holds one whole array of objects"):
            use(file, BOOKS)


DAMAGED = {
    "brackets that do not match": (b'{"name":["B"}]', "json.invalid"),
    "an unknown word": (b'{"name":tru}', "json.invalid"),
    "single quotes": (b"{'name':'B'}", "json.invalid"),
    "a comma too many": (b'{"name":"B",}', "json.invalid"),
    "a comment": (b'{"name":/* {} */"B"}', "json.invalid"),
    "a NUL in a text": (b'{"name":"B\0"}', "json.invalid"),
    "a newline in a text": (b'{"name":"B\n"}', "json.invalid"),
    "invalid UTF-8": (b'{"name":"\xc3\xa9\xff"}', "json.invalid_encoding"),
    "a lone surrogate": (b'{"name":"\\ud800"}', "json.invalid"),
    "a lone surrogate that nobody asked for": (b'{"name":"B","z":"\\udc00\\ud800"}', "json.invalid"),
    "a surrogate in UTF-8": (b'{"name":"\xed\xa0\x80"}', "json.invalid_encoding"),
    "a key twice": (b'{"name":"B","pages":1,"name":"B"}', "json.duplicate_key"),
    "a key twice that nobody asked for": (b'{"name":"B","z":1,"z":2}', "json.duplicate_key"),
    "a key twice, once escaped": (b'{"name":"B","\\u006eame":"C"}', "json.duplicate_key"),
    "a key twice in an object inside": (b'{"name":"B","z":[{"y":{"x":1,"x":1}}]}', "json.duplicate_key"),
    "no end to its nesting": (b'{"name":"B","z":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "json.invalid"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_object_is_one_reject_and_leaves_the_others(file: Path, case: str) -> None:
    damaged, code = DAMAGED[case]
    file.write_bytes(b"[" + b",\n".join([A, b'{"name":""}', damaged, A, damaged, b'{"name":""}', A]) + b"]")
    rows, rejects, delivered = _read(file)
    text = damaged.decode(errors="replace")
    assert rows == [A_ROW] * 3
    assert [(reject.code, reject.raw) for reject in rejects] == [
        ("title.min_length", '{"name":""}'),
        (code, text),
        (code, text),
        ("title.min_length", '{"name":""}'),
    ]
    assert delivered == 7


def test_damaged_objects_are_read_some_at_a_time(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_reader, "_BLOCK_BYTES", 100)
    file.write_bytes(b"[" + b",".join([A, b'{"name":tru}'] * 20) + b"]")
    rows, rejects, delivered = _read(file)
    assert (rows, len(rejects), delivered) == ([A_ROW] * 20, 20, 40)


def test_equal_keys_of_different_objects_are_none_twice(file: Path) -> None:
    file.write_bytes(b'[{"name":"B","z":[{"y":1,"Y":{"y":1}},{"y":2}],"y":"\\"y\\":1"}]')
    assert _read(file) == ([("B", None, None, None)], [], 1)


def test_an_object_damaged_far_behind_the_first_batch_is_one_reject(file: Path) -> None:
    file.write_bytes(b"[" + b'{"name":"B"},\n' * 250_000 + b'{"name":tru},{"name":"","name":1},{"name":"C"}]')
    batches = list(read_file(file, BOOKS).batches)
    rows = pl.concat(batch.rows for batch in batches)
    rejects = [reject for batch in batches for reject in batch.rejects]
    assert sum(batch.delivered for batch in batches) == 250_003
    assert (rows.height, rows["title"][-1]) == (250_001, "C")
    assert rows["position"].to_list() == [*range(250_000), 250_002]
    assert [(reject.code, reject.raw) for reject in rejects] == [
        ("json.invalid", '{"name":tru}'),
        ("json.duplicate_key", '{"name":"","name":1}'),
    ]


def test_a_file_name_is_no_pattern(tmp_path: Path) -> None:
    (tmp_path / "books1.json").write_bytes(b'[{"name":"wrong"}]')
    file = tmp_path / "books[1].json"
    file.write_bytes(b"[" + A + b"]")
    assert _read(file) == ([A_ROW], [], 1)


# other types


class Offer(dy.Schema):
    kind = dy.String()
    name = dy.String(nullable=True)
    price = dy.Decimal(38, 10, nullable=True)
    count = dy.Int64(nullable=True)
    weight = dy.Float64(nullable=True)
    is_new = dy.Bool(nullable=True)
    tags = dy.List(dy.String(nullable=True), nullable=True)
    size = dy.Struct({"x": dy.Int64(nullable=True), "y": dy.Float64(nullable=True)}, nullable=True)
    firsts = dy.List(dy.Int64(nullable=True), nullable=True)


OFFERS = Snapshot(
    name="offers",
    singular="offer",
    description="Made up.",
    owner="team:tests",
    schema=Offer,
    reader=Json(
        paths={**{name: f"$.{name}" for name in Offer.column_names()[1:]}, "firsts": "$.parts[*].first"},
        derived={"kind": pl.lit("offer")},
    ),
    key=("kind",),
)

OFFER_READ: list[tuple[str, str, object]] = [
    ("price", "12345678901234567890.12", Decimal("12345678901234567890.12")),
    ("price", "-0.1", Decimal("-0.1")),
    ("price", "9999999999999999999999999999", Decimal(9999999999999999999999999999)),
    ("price", '"12345678901234567890.12"', Decimal("12345678901234567890.12")),
    ("price", "1.5E+3", Decimal(1500)),
    ("price", "1e-07", Decimal("0.0000001")),
    ("price", "null", None),
    ("price", "0.12345678901", "price.decimal"),
    ("price", "1e400", "price.decimal"),
    ("price", "true", "price.decimal"),
    ("price", "[1.50]", "price.decimal"),
    ("price", "NaN", "price.decimal"),
    ("name", "1.10", "1.10"),
    ("name", "12345678901234567890.12", "12345678901234567890.12"),
    ("name", "12345678901234567890123", "12345678901234567890123"),
    ("name", '"1.10 \\" 2.20"', '1.10 " 2.20'),
    ("name", "null", None),
    ("count", "-9223372036854775808", -(2**63)),
    ("count", "9223372036854775808", "count.dtype"),
    ("count", "1.0", 1),
    ("count", "1.5", "count.dtype"),
    ("count", "9007199254740993.0", "count.dtype"),
    ("weight", "0.1", 0.1),
    ("weight", "5e-324", 5e-324),
    ("weight", "1e400", "weight.inf"),
    ("is_new", "true", True),
    ("is_new", "false", False),
    ("is_new", '"Yes"', True),
    ("is_new", "0", False),
    ("is_new", "null", None),
    ("is_new", "2", "is_new.bool"),
    ("tags", '["a", "", null, "\\ud83c\\udfac"]', ["a", "", None, "🎬"]),
    ("tags", "[]", []),
    ("tags", "null", None),
    ("tags", '"[]"', "tags.json"),
    ("tags", '["a\\u0000"]', "tags.json"),
    ("tags", "[1]", "tags.json"),
    ("size", '{"x": 9007199254740993, "y": 1}', {"x": 2**53 + 1, "y": 1.0}),
    ("size", '{"x": 9223372036854775808}', "size.json"),
    ("size", '{"x": 1.0}', {"x": 1, "y": None}),
    ("size", '{"x": 9007199254740992.0}', "size.json"),
    ("size", '{"x": 1, "y": 9007199254740993}', "size.json"),
    ("size", '{"y": 1e400}', "size.json"),
    ("size", '"{}"', "size.json"),
    ("parts", '[{"first": 1}, {}, {"first": null}]', [1, None]),
    ("parts", "[]", []),
]


def test_a_value_of_each_type_is_read_as_it_was_written(file: Path) -> None:
    file.write_text("[" + ",".join(f'{{"{column}": {value}}}' for column, value, _ in OFFER_READ) + "]", "utf-8")
    _, batch = read_file(file, OFFERS).batches
    rejected = {reject.raw: reject.code for reject in batch.rejects}
    rows = {row["position"]: row for row in batch.rows.to_dicts()}
    for position, (column, value, expected) in enumerate(OFFER_READ):
        known = "firsts" if column == "parts" else column
        found = rows[position][known] if position in rows else rejected[f'{{"{column}": {value}}}']
        assert (column, value, found) == (column, value, expected)


# an array inside an object, and paths


class Invoice(dy.Schema):
    number = dy.String()
    total = dy.Decimal(10, 2, nullable=True)


def _invoices(**declared: Any) -> Source:
    paths = {"number": "$.number", "total": "$['t.total']"}
    return Snapshot(
        name="invoices",
        singular="invoice",
        description="Made up.",
        owner="team:tests",
        schema=Invoice,
        reader=Json(**{"paths": paths, "records": "$.answer['the data']", **declared}),
        key=("number",),
    )


WRAPPED = '{"data": [1], "answer": {"the data": [%s], "n": [{"a": "]"}]}, "paging": {"next": null}}'


def test_an_array_inside_an_object_is_read(file: Path) -> None:
    file.write_text(WRAPPED % '{"number": "I1", "t.total": 1.50},\n{"number": 1, "x": {"answer": []}}, {"number"}')
    check_format(file, _invoices())
    content = read_file(file, _invoices())
    first, batch = content.batches
    assert (first.delivered, batch.rows.select("position", "number", "total").rows()) == (
        3,
        [(0, "I1", Decimal("1.50")), (1, "1", None)],
    )
    assert [(reject.code, reject.raw) for reject in batch.rejects] == [("json.invalid", '{"number"}')]
    assert content.undeclared_columns == {"x"}
    file.write_text(WRAPPED % "")
    assert _read_all(file, _invoices()) == 0


@pytest.mark.parametrize(
    "text",
    [
        '[{"number": "I1"}]',
        '{"number": "I1"}',
        '{"answer": []}',
        '{"answer": {"the data": null}}',
        '{"answer": {"the data": {}}}',
        '{"answer": {"the data": [1]}}',
        '{"answer": {"the data": []}',
        '{"answer": {"the data": []}}}',
        '{"answer": {"the data": []}} {}',
        '{"answer": {"the data": []}]',
        '{"answer": [{"the data": []}]}',
        '{"answer": {"the data": [], "the data": [{"number": "I1"}]}}',
        '{"answer": {"the data": [{"number": "I1"',
    ],
)
def test_what_does_not_hold_one_such_array_is_refused(file: Path, text: str) -> None:
    file.write_text(text)
    for use in (check_format, _read_all):
        with pytest.raises(
            FormatError, match=r'one whole array of objects at \$\["answer"\]\["the data"\] of an object'
        ):
            use(file, _invoices())


def _read_all(path: Path, source: Source) -> int:
    return sum(batch.rows.height for batch in read_file(path, source).batches)


def test_an_object_of_many_megabytes_is_rejected_with_its_line(file: Path) -> None:
    large = '{"number": "' + "x" * (17 << 20) + '"}'
    file.write_text(WRAPPED % f'{{"number": "I1"}},\n{large},\n{{"number": "I3"}}')
    _, batch = read_file(file, _invoices()).batches
    [reject] = batch.rejects
    assert (batch.rows["number"].to_list(), reject.line, reject.code) == (
        ["I1", "I3"],
        2,
        "json.line_size_over_maximum",
    )
    assert large.startswith(reject.raw)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$['t.total']", "1"),
        ('$["t.total"]', "1"),
        ('$."t.total"', "1"),
        (r"$['it\'s \"it\"']", "2"),
        ("$.list[0].k", "3"),
        ("$['list'][-1]", "4"),
        (r"$['\u00e9']", "5"),
        ("$.a-b", "6"),
        ("$.a b", "7"),
        (r"$['back\\slash']", "8"),
    ],
)
def test_a_path_names_any_key(file: Path, path: str, value: str) -> None:
    record = {
        "t.total": 1,
        'it\'s "it"': 2,
        "list": [{"k": 3}, 4],
        "é": 5,
        "a-b": 6,
        "a b": 7,
        "back\\slash": 8,
        "t": {"total": 0},
    }
    file.write_text(json.dumps([record]))
    source = _invoices(paths={"number": path, "total": "$.none"}, records="$")
    _, batch = read_file(file, source).batches
    assert batch.rows["number"].to_list() == [value]


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"paths": {"number": "number"}}, "the path of number: 'number' is no JSON path: one begins with \\$"),
        ({"paths": {"number": "$..number"}}, "from '..number' on: it may have the steps"),
        ({"paths": {"number": "$.a[?@.b]"}}, r"from '\[\?@.b\]' on"),
        ({"paths": {"number": "$.a[0:2]"}}, r"from '\[0:2\]' on"),
        ({"paths": {"number": "$['a','b']"}}, "no JSON path that can be read"),
        ({"paths": {"number": "$.a["}}, r"from '\[' on"),
        ({"paths": {"number": "$.a."}}, "no JSON path that can be read"),
        ({"paths": {"number": r"$['\x']"}}, "is no text of JSON"),
        ({"paths": {"number": "$['']"}}, "no way to name the key ''"),
        ({"records": "$.a[0]"}, "must name keys of objects alone"),
        ({"records": "data"}, "'data' is no JSON path"),
        ({"records": "$.data", "lines": True}, "leave records out"),
    ],
)
def test_a_path_that_cannot_be_read_is_refused_when_declared(declared: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        _invoices(**declared)


@pytest.mark.parametrize(
    ("path", "good", "broken"),
    [
        ("$.a.x", [{"x": 1}, {"y": 2}, {}, None, [], ""], [[{"x": 1}], [{}], 5, "x", True]),
        ("$.a[0].x", [[{"x": 1}], [{"x": 1}, 2], [{}], [], None, {}], [{"x": 1}, 5, [5], [[1]]]),
        ("$.a.b[1]", [{"b": [2, 1]}, {"b": [2]}, {"b": None}, {}, None], [{"b": {"1": 1}}, {"b": 1}, [[2, 1]]]),
        ("$.a[*].x", [[{"x": 1}], [], {}, None], [{"x": 1}, 5, "x"]),
    ],
)
@pytest.mark.parametrize("lines", [True, False])
def test_a_path_that_leads_through_another_kind_of_value_is_no_null(
    file: Path, path: str, good: list[object], broken: list[object], lines: bool
) -> None:
    class Found(dy.Schema):
        no = dy.Int64()
        x = dy.List(dy.Int64(), nullable=True) if "*" in path else dy.Int64(nullable=True)

    reader = Json(paths={"no": "$.no", "x": path}, lines=lines)
    source = replace(BOOKS, schema=Found, reader=reader, key=("no",))
    objects = [json.dumps({"no": number, "a": value}) for number, value in enumerate([*good, *broken])]
    file.write_text("\n".join(objects) if lines else f"[{','.join(objects)}]")
    rows, rejects, _ = _read(file, source)
    assert [row[0] for row in rows] == list(range(len(good)))
    assert [reject.code for reject in rejects] == ["x.path"] * len(broken)
    assert rejects[0].message == "the path of x leads through something else than the objects and arrays that it names."


# what the vendors send


def test_an_author_has_the_last_nationality_that_is_not_empty(file: Path) -> None:
    slugs: list[list[str | None]] = [["finns", "omanis"], ["finns", None, ""], [None], []]
    authors: list[object] = [
        {"metadata": {"name": f"N{number}"}, "nationalities": [{"slug": slug} for slug in found]}
        for number, found in enumerate(slugs)
    ]
    file.write_text(json.dumps([*authors, {"metadata": {"name": "N4"}}]), encoding="utf-8")
    rows, *_ = _read(file, find_source("authors"))
    assert [(row[0], row[3]) for row in rows] == [
        ("N0", "omanis"),
        ("N1", "finns"),
        ("N2", None),
        ("N3", None),
        ("N4", None),
    ]


def test_a_review_is_of_the_last_movie_and_the_first_book(file: Path) -> None:
    review = {
        "content": {"text": "Slow."},
        "rating": {"rate": 3, "label": "THREE"},
        "movies": [{"title": "HEAT"}, {"title": "ALIEN"}, {"title": "end"}, {"title": ""}, {"title": None}],
        "books": [{"metadata": {"title": "DUNE"}}, {"metadata": {"title": "IT"}}],
        "created": "2021-12-01T00:00:00.000+0100",
    }
    file.write_text(json.dumps([review, {**review, "movies": [{"title": "end"}]}]), encoding="utf-8")
    rows, rejects, _ = _read(file, find_source("reviews"))
    assert [row[:5] for row in rows] == [("Slow.", 3, "THREE", "ALIEN", "DUNE")]
    assert [reject.code for reject in rejects] == ["movie_title.nullability"]


IN_DEPTH_PATHS = {
    "number": "$.value.number",
    "total": "$.value.sum.total",
    "at": "$.at",
    "first": "$.value.lines[0].price",
    "last": "$.value.lines[-1].price.net",
    "all": "$.value.lines[*].price.gross",
}
IN_DEPTH = _invoices(records="$", payload="$.value", paths=IN_DEPTH_PATHS)


@pytest.mark.parametrize(
    ("value", "around", "code"),
    [
        ({"sum": {"Total": 1}}, {}, "total.key"),
        ({"SUM": {" total": 1}}, {}, "total.key"),
        ({"sum": {}}, {"At": 1}, "at.key"),
        ({"lines": [{"Price": 1}]}, {}, "first.key"),
        ({"lines": [{"price": {}}, {"price": {"NET": 1}}]}, {}, "last.key"),
        ({"lines": [{"price": {"gross": 1}}, {"price": {"Gross": 1}}, {}]}, {}, "all.key"),
        ({"Sum": {"total": 1}}, {"at": 1}, None),
        ({"sum": {"total": 1, "Total": 2}}, {"at": None, "AT": 1}, None),
        ({"sum": {"x": {"Total": 1}}, "other": {"Total": 1, "Price": 1}, "Price": 1, "At": 1}, {"X": {"At": 1}}, None),
        ({"lines": [{"price": {"net": {"Net": 1}}}, {"price": {"NET": 1}}, {}]}, {}, None),
        ({"lines": []}, {}, None),
        ({"lines": None}, {}, None),
    ],
)
@pytest.mark.parametrize("times", [1, 3])
def test_a_key_in_depth_that_is_like_the_one_of_a_path_rejects_its_row(
    file: Path, value: dict[str, object], around: dict[str, object], code: str | None, times: int
) -> None:
    """Its value would be null without a word; that of the payload's own keys is read."""
    odd = {"value": {"number": "I1", **value}, **around}
    file.write_text(json.dumps([{"value": {"number": "I0"}}, *[odd] * times, {"value": {"number": "I2"}}]))
    rows, rejects, delivered = _read(file, IN_DEPTH)
    assert [reject.code for reject in rejects] == ([code] * times if code else [])
    assert [row[0] for row in rows] == ["I0", *(["I1"] * times if not code else []), "I2"]
    assert delivered == times + 2
    if code:
        column = code.removesuffix(".key")
        said = f"an object on the path of {column} lacks its key, and has one that differs by case or outer blanks."
        assert {reject.message for reject in rejects} == {said}


def test_a_payload_key_in_another_case_that_comes_late_is_on_the_way_to_its_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_lines, "_BLOCK_BYTES", 1)  # each row is a batch of its own
    source = _invoices(records="$", payload="$.value", paths=IN_DEPTH_PATHS, lines=True)
    sums: list[dict[str, object]] = [{"sum": {"total": 1}}, {"SUM": {"total": 2}}, {"SUM": {"Total": 3}}]
    rows = [json.dumps({"value": {"number": f"I{number}", **one}}) for number, one in enumerate(sums)]
    file = tmp_path / "invoices.jsonl"
    file.write_text("\n".join(rows))
    read, rejects, _ = _read(file, source)
    assert ([row[:2] for row in read], [reject.code for reject in rejects]) == (
        [("I0", Decimal(1)), ("I1", Decimal(2))],
        ["total.key"],
    )


def test_what_looks_at_keys_lives_for_a_file_until_other_keys_are_alike() -> None:
    names = Names(IN_DEPTH)
    first = names.keys
    assert not names.note_alike(["other"])
    assert names.keys is first
    assert names.note_alike(["Sum"])
    assert names.keys is not first
    assert Names(IN_DEPTH).keys is not first


def test_keys_without_end_hide_none_that_is_like_the_one_of_a_path(file: Path) -> None:
    others = [
        {"value": {"number": "I1", **{str(key): 1 for key in range(start, start + 5_000)}}} for start in (0, 5_000)
    ]
    file.write_text(json.dumps([*others, {"value": {"number": "I2", "sum": {"Total": 1}}}]))
    assert [reject.code for reject in _read(file, IN_DEPTH)[1]] == ["total.key"]


@pytest.mark.parametrize(
    ("rows", "missing"),
    [
        ([{}, {}], {"nationality"}),
        ([{}, {"nationalities": []}], set()),
        ([{}, {"nationalities": None}], set()),
        ([{}, {"nationalities": [{}]}], set()),
        ([{}, {"nationalities": [{"slug": None}]}], set()),
        ([{}, {"nationalities": [{"slug": "finns"}]}], set()),
    ],
)
def test_a_column_made_of_a_list_is_missing_where_no_object_has_the_list(
    file: Path, rows: list[dict[str, object]], missing: set[str]
) -> None:
    dates = {"birth_date": None, "died_at": None}
    file.write_text(
        json.dumps([{"metadata": {"name": str(number), **dates}, **row} for number, row in enumerate(rows)])
    )
    found = read_file(file, find_source("authors"))
    assert sum(batch.rows.height for batch in found.batches) == 2
    assert found.missing_columns == missing


def test_paths_whose_keys_differ_by_case_are_both_read(file: Path) -> None:
    paths = {"number": "$.number", "total": "$.sum.total", "at": "$.sum.Total", "first": "$.other.TOTAL"}
    file.write_text(json.dumps([{"number": "I1", "sum": {"total": 1}}, {"number": "I2", "sum": {"TOTAL": 1}}]))
    rows, rejects, _ = _read(file, _invoices(records="$", paths=paths))
    assert ([row[0] for row in rows], [reject.code for reject in rejects]) == (["I1"], ["total.key"])


def test_an_alias_of_a_column_that_is_made_of_its_own_path_is_one_place(file: Path) -> None:
    file.write_text(json.dumps([{"number": "I1", "old": " 1.5 "}]))
    paths = {"number": "$.number", "total": "$.total"}
    source = _invoices(records="$", paths=paths, derived={"total": pl.col("total").str.strip_chars()})
    rows, rejects, _ = _read(file, replace(source, aliases={"total": ("old",)}))
    assert (len(rows), rows[0][:2], rejects) == (1, ("I1", Decimal("1.5")), [])


def test_a_column_made_of_one_list_may_come_under_an_alias(file: Path) -> None:
    authors = [{"metadata": {"name": "A"}, "countries": [{"slug": "finns"}]}]
    file.write_text(json.dumps(authors))
    source = find_source("authors")
    renamed = read_file(file, source)
    assert [row for batch in renamed.batches for row in batch.rows["nationality"]] == [None]
    assert (renamed.undeclared_columns, "nationality" in renamed.missing_columns) == ({"countries"}, True)
    aliased = read_file(file, replace(source, aliases={"nationality": ("countries",)}))
    assert [row for batch in aliased.batches for row in batch.rows["nationality"]] == ["finns"]
    assert (aliased.undeclared_columns, "nationality" in aliased.missing_columns) == (set(), False)


DERIVED = {
    "without an element": pl.col("parts").list.last(),
    "of its elements": pl.col("parts").list.filter(pl.element() != "").list.first(),
    "of another column too": pl.coalesce(pl.col("parts").list.first(), "note"),
    "a constant": pl.lit("1"),
}


@pytest.mark.parametrize("derived", DERIVED)
def test_a_derived_column_is_missing_where_all_that_it_is_made_of_is(file: Path, derived: str) -> None:
    paths = {"number": "$.number", "parts": "$.parts[*]", "note": "$.note"}
    source = _invoices(paths=paths, derived={"total": DERIVED[derived]}, records="$")
    missing = {}
    for row in ({"number": "I1"}, {"number": "I1", "note": "2"}, {"number": "I1", "parts": ["3"]}):
        file.write_text(json.dumps([row]))
        content = read_file(file, source)
        assert sum(batch.rows.height for batch in content.batches) == 1
        missing["".join(row)] = content.missing_columns == {"total"}
    of_parts = {"number": True, "numbernote": derived != "of another column too", "numberparts": False}
    assert missing == (dict.fromkeys(of_parts, False) if derived == "a constant" else of_parts)


# for all inputs

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
QUICK = settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@QUICK
@given(st.lists(st.tuples(TEXT.filter(bool), st.integers(1, 2**63 - 1), TEXT, TEXT), max_size=8), st.booleans())
def test_any_text_comes_back_unchanged(file: Path, rows: list[Row], ascii_only: bool) -> None:
    keys = ("name", "pages", "author", "publisher")
    records = [dict(zip(keys, row, strict=True)) for row in rows]
    file.write_text(json.dumps(records, ensure_ascii=ascii_only), encoding="utf-8", newline="")
    assert _read(file) == (rows, [], len(rows))


def _whole() -> bytes:
    return json.dumps([{"name": f"B{number}", "pages": 1 + number, "x": [{"y": "]"}]} for number in range(15)]).encode()


@QUICK
@given(st.integers(0, 700), st.one_of(st.binary(max_size=4), st.text('{}[]",:\\ ', max_size=4).map(str.encode)))
@example(0, b" ")
@example(1, b"[")
def test_damage_refuses_the_file_or_leaves_what_precedes_it(file: Path, place: int, damage: bytes) -> None:
    whole = _whole()
    file.write_bytes(whole[:place] + damage + whole[place + len(damage) :])
    try:
        rows, rejects, delivered = _read(file)
    except FormatError:
        return
    undamaged = whole[:place].count(b"]}]}")
    if delivered == len(rows) + len(rejects):  # otherwise it is refused
        assert rows[:undamaged] == [(f"B{number}", 1 + number, None, None) for number in range(undamaged)]


def test_the_reference_data_is_read_whole(reference: Reference) -> None:
    source, file, accepted, rejected = reference
    rows, rejects, delivered = _read(file, source)
    assert (len(rows), len(rejects), delivered) == (accepted, rejected, accepted + rejected)
    assert (
        pl.DataFrame(rows, schema=source.schema.column_names(), orient="row")
        .select(source.key)
        .null_count()
        .sum_horizontal()
        .item()
        == 0
    )
