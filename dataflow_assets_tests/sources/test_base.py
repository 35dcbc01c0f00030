import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import dataframely as dy
import polars as pl
import pytest

from dataflow_assets.errors import NotFoundError
from dataflow_assets.lake.readers import read_file
from dataflow_assets.sources import all_sources, find_source
from dataflow_assets.sources.base import Events, Reference, Snapshot, Source, wrong_references
from dataflow_assets.sources.formats import Csv, Format, Json, Parquet


def _schema(**columns: dy.Column) -> type[dy.Schema]:
    return type("Made", (dy.Schema,), dict(columns))


def _snapshot(schema: type[dy.Schema], **options: Any) -> Source:
    usual: Mapping[str, Any] = {
        "name": "things",
        "singular": "thing",
        "description": "Things.",
        "owner": "team:things",
        "reader": Csv(),
        "key": ("name",),
    }
    return Snapshot(schema=schema, **{**usual, **options})


def _events(schema: type[dy.Schema], **options: Any) -> Source:
    usual: Mapping[str, Any] = {
        "name": "visits",
        "singular": "visit",
        "description": "Visits.",
        "owner": "team:visits",
        "reader": Csv(),
        "key": ("name", "begins"),
        "event_time": "begins",
        "end_time": "ends",
        "longest": timedelta(hours=1),
    }
    return Events(schema=schema, **{**usual, **options})


NAME = _schema(name=dy.String())


def test_every_declaration_is_found() -> None:
    assert [source.name for source in all_sources()] == ["authors", "books", "movies", "reviews", "streams", "users"]


@pytest.mark.parametrize("source", all_sources(), ids=lambda source: source.name)
def test_a_source_is_found_by_its_plural_and_its_singular(source: Source) -> None:
    assert find_source(source.name) is find_source(source.singular) is source


def test_an_unknown_source_is_refused_by_naming_the_known() -> None:
    with pytest.raises(NotFoundError, match="no source 'payments'; the sources are authors, books, movies, reviews"):
        find_source("payments")


@pytest.mark.parametrize(
    ("reader", "suffix"),
    [
        (Csv(), ".csv"),
        (Csv(delimiter=";"), ".csv"),
        (Csv(delimiter="\t"), ".tsv"),
        (Json(paths={}), ".json"),
        (Json(paths={}, lines=True), ".jsonl"),
        (Parquet(), ".parquet"),
    ],
)
def test_a_landed_object_ends_as_its_format_does(reader: Format, suffix: str) -> None:
    assert reader.suffix == suffix


def test_an_encoding_that_is_not_read_is_refused_before_any_file_comes() -> None:
    with pytest.raises(ValueError, match="in the encoding 'utf-7'; use one of utf-8, utf-16"):
        Csv(encoding="utf-7")


@pytest.mark.parametrize(
    ("column", "problem"),
    [
        (dy.String(nullable=True), "neither nullable nor a float"),
        (dy.Float64(), "neither nullable nor a float"),
        (dy.Float32(), "neither nullable nor a float"),
        (dy.List(dy.String()), "a list or a struct"),
        (dy.Struct({"first": dy.String()}), "a list or a struct"),
    ],
)
def test_a_key_must_tell_rows_apart_for_ever(column: dy.Column, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        _snapshot(_schema(name=column))


@pytest.mark.parametrize(
    ("paths", "keys"),
    [
        (["$.a", "$.b.c", "$.d[*].e", "$.f[0]", '$."g.h".i'], {"a", "b", "d", "f", "g.h"}),
        (["$.a", "$.*"], None),
        (["$"], None),
    ],
)
def test_paths_tell_which_keys_they_read(paths: list[str], keys: set[str] | None) -> None:
    assert Json(paths=dict(zip("vwxyz", paths, strict=False))).keys == keys


def test_a_key_must_be_in_the_schema() -> None:
    with pytest.raises(ValueError, match="source things: key column 'code' is not in the schema"):
        _snapshot(NAME, key=("name", "code"))


@pytest.mark.parametrize("name", ["id", "position", "object", "delivery_day", "valid_from", "raw", "longest", "ID"])
def test_the_platforms_own_columns_are_reserved(name: str) -> None:
    with pytest.raises(ValueError, match=f"source things: the platform has columns of the names .*{name}"):
        _snapshot(_schema(name=dy.String(), **{name: dy.String()}))


@pytest.mark.parametrize("name", ["position", "line", "raw", "fault", "undeclared"])
def test_a_path_has_no_name_of_the_json_readers_own_columns(name: str) -> None:
    paths = {"name": "$.name", name: "$.other"}
    said = f"source things: the JSON reader has columns of the names ['{name}'] itself; call these paths otherwise"
    with pytest.raises(ValueError, match=re.escape(said)):
        _snapshot(NAME, reader=Json(paths=paths))
    if name == "position":
        with pytest.raises(ValueError, match="column of the name 'position' itself; call the derived one otherwise"):
            _snapshot(NAME, reader=Json(paths={"name": "$.name"}, derived={name: pl.col("name")}))


def test_a_declared_column_of_such_a_name_can_be_derived_from_a_path_of_another_one(tmp_path: Path) -> None:
    (tmp_path / "things.json").write_text('[{"name": "a", "line": 1, "fault": "f", "undeclared": "u"}]')
    own = ("line", "fault", "undeclared")
    columns = {name: dy.String(nullable=True) for name in own}
    reader = Json(
        paths={"name": "$.name", **{f"its_{name}": f"$.{name}" for name in own}},
        derived={name: pl.col(f"its_{name}") for name in own},
    )
    things = _snapshot(_schema(name=dy.String(), **columns), reader=reader)
    content = read_file(tmp_path / "things.json", things)
    rows = [row for batch in content.batches for row in batch.rows.select("name", *own).rows()]
    assert rows == [("a", "1", "f", "u")]


def test_columns_differ_by_more_than_case() -> None:
    with pytest.raises(ValueError, match="differ by upper and lower case alone"):
        _snapshot(_schema(name=dy.String(), Name=dy.String()))


@pytest.mark.parametrize(
    ("column", "problem"),
    [
        (dy.UInt8(), "the column 'x' cannot be of the type UInt8; use dy.Int64(min=0)"),
        (dy.UInt16(), "the column 'x' cannot be of the type UInt16; use dy.Int64(min=0)"),
        (dy.UInt32(), "the column 'x' cannot be of the type UInt32; use dy.Int64(min=0)"),
        (dy.UInt64(), "the column 'x' cannot be of the type UInt64; use dy.Int64(min=0)"),
        (dy.Time(), "the column 'x' cannot be of the type Time; use dy.String(), or a number in a unit that its"),
        (dy.Duration(), "the column 'x' cannot be of the type Duration(time_unit='us'); use dy.String(), or a number"),
        (dy.Binary(), "the column 'x' cannot be of the type Binary; use dy.String()"),
        (dy.Object(), "the column 'x' cannot be of the type Object; use dy.String()"),
        (dy.Any(), "the column 'x' cannot be of the type Null; use dy.String()"),
        (dy.Array(dy.Int64(), 2), "the column 'x' cannot be of the type Array(Int64, shape=(2,)); use dy.List"),
        (dy.Datetime(time_unit="ns"), 'use dy.Datetime(time_zone="UTC"), of microseconds'),
        (dy.Struct({}), "the column 'x' cannot be of the type Struct({}); use dy.String()"),
        (dy.List(dy.UInt8()), "the column 'x[]' cannot be of the type UInt8; use dy.Int64(min=0)"),
        (dy.List(dy.Date()), "the column 'x[]' cannot be of the type Date; use dy.String()"),
        (dy.Struct({"a": dy.List(dy.Float32())}), "the column 'x.a[]' cannot be of the type Float32; use dy.Float64()"),
        (dy.Struct({"a": dy.Datetime()}), "the column 'x.a' cannot be of the type Datetime"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_type_that_is_not_held_unchanged_is_refused_before_any_file_comes(column: dy.Column, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        _snapshot(_schema(name=dy.String(), x=column))


@pytest.mark.parametrize("name", ["rejects", "Things", "a/b", "", "1st"])
def test_a_source_has_a_plain_name_of_its_own(name: str) -> None:
    with pytest.raises(ValueError, match="a source cannot be named"):
        _snapshot(NAME, name=name)


def test_a_json_reader_must_speak_of_every_column() -> None:
    with pytest.raises(ValueError, match="says nothing of the columns \\['name'\\]"):
        _snapshot(NAME, reader=Json(paths={"title": "$.title"}))


INSTANT, MAYBE = dy.Datetime(time_zone="UTC"), dy.Datetime(time_zone="UTC", nullable=True)


def test_an_event_key_must_contain_the_event_time() -> None:
    schema = _schema(name=dy.String(), begins=INSTANT, ends=INSTANT)
    with pytest.raises(ValueError, match="source visits: the key must contain the event time 'begins'"):
        _events(schema, key=("name",))


def test_an_event_may_have_no_end() -> None:
    source = _events(_schema(name=dy.String(), begins=INSTANT), end_time=None, longest=None)
    assert isinstance(source, Events)
    assert (source.end_time, source.longest) == (None, None)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"end_time": None}, "events without an end_time cannot have a longest duration"),
        ({"longest": timedelta(seconds=-1)}, "the longest duration is -1 day, 23:59:59, less than none"),
    ],
)
def test_a_longest_duration_is_that_of_events_with_an_end(options: Mapping[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"source visits: {problem}")):
        _events(_schema(name=dy.String(), begins=INSTANT, ends=INSTANT), **options)


@pytest.mark.parametrize(
    "columns", [{"ends": MAYBE}, {"ends": dy.String()}, {}, {"begins": dy.String(), "ends": INSTANT}]
)
def test_an_event_begins_and_ends_at_an_instant(columns: Mapping[str, dy.Column]) -> None:
    with pytest.raises(ValueError, match="must be a Datetime column that is not nullable"):
        _events(_schema(**{"name": dy.String(), "begins": INSTANT, **columns}))


def _fingerprint(key: tuple[str, ...] = ("name",), **columns: dy.Column) -> str:
    return _snapshot(_schema(**columns), key=key).fingerprint


def test_the_fingerprint_changes_with_columns_types_and_key() -> None:
    known = [
        _fingerprint(name=dy.String()),
        _fingerprint(name=dy.String(), size=dy.Int64()),
        _fingerprint(name=dy.String(), size=dy.Int32()),
        _fingerprint(name=dy.String(), weight=dy.Int64()),
        _fingerprint(name=dy.String(), size=dy.Int64(), key=("name", "size")),
    ]
    assert len(set(known)) == len(known)


def test_the_fingerprint_does_not_change_with_rules() -> None:
    assert _fingerprint(name=dy.String()) == _fingerprint(name=dy.String(min_length=2))


def test_what_decides_how_rows_are_read_is_told_apart() -> None:
    class WithRule(NAME):  # type: ignore[misc,valid-type]
        @dy.rule()
        def is_short(cls) -> pl.Expr:
            return pl.col("name").str.len_chars() < 9

    declared = {
        "as it was": _snapshot(NAME),
        "a column": _snapshot(_schema(name=dy.String(), age=dy.Int64())),
        "a limit": _snapshot(_schema(name=dy.String(min_length=1))),
        "a rule": _snapshot(WithRule),
        "a delimiter": _snapshot(NAME, reader=Csv(delimiter=";")),
        "an encoding": _snapshot(NAME, reader=Csv(encoding="latin-1")),
        "lines": _snapshot(NAME, reader=Json(paths={"name": "$.name"}, lines=True)),
        "Parquet": _snapshot(NAME, reader=Parquet()),
        "a path": _snapshot(NAME, reader=Json(paths={"name": "$.name"})),
        "another path": _snapshot(NAME, reader=Json(paths={"name": "$.title"})),
        "an expression": _snapshot(NAME, reader=Json(paths={"name": "$.name"}, derived={"name": pl.col("name")})),
        "a time zone": _snapshot(NAME, time_zone="Europe/Paris"),
        "a form of times": _snapshot(NAME, time_formats=("%F",)),
    }
    assert len({source.reading for source in declared.values()}) == len(declared)
    assert _snapshot(NAME).reading == declared["as it was"].reading
    assert (
        len(
            {
                _events(_schema(name=dy.String(), begins=INSTANT, ends=INSTANT), longest=timedelta(hours=hours)).reading
                for hours in (1, 2)
            }
        )
        == 2
    )


def test_a_rule_in_python_is_never_the_same() -> None:
    class WithFunction(NAME):  # type: ignore[misc,valid-type]
        @dy.rule()
        def is_right(cls) -> pl.Expr:
            return pl.col("name").map_elements(bool, pl.Boolean)

    source = _snapshot(WithFunction)
    assert source.reading != source.reading


@pytest.mark.parametrize(
    ("reference", "undeclared"),
    [
        (Reference("name", "people", "name"), ""),
        (Reference("size", "people", "name"), "things.size"),
        (Reference("name", "persons", "name"), "persons.name"),
        (Reference("name", "people", "size"), "people.size"),
    ],
)
def test_a_reference_is_from_a_declared_column_to_another(reference: Reference, undeclared: str) -> None:
    people, things = _snapshot(NAME, name="people"), _snapshot(NAME, references=(reference,))
    found = [sentence.partition("names what is not declared: ")[2] for sentence in wrong_references([people, things])]
    assert found == ([undeclared] if undeclared else [])


def test_the_declared_references_are_right() -> None:
    assert list(wrong_references(all_sources())) == []
    assert {source.name for source in all_sources() if source.references} == {"streams", "reviews"}


def test_a_reference_makes_no_row_to_be_read_or_loaded_again() -> None:
    without, with_one = _snapshot(NAME), _snapshot(NAME, references=(Reference("name", "things", "name"),))
    assert (without.fingerprint, without.reading) == (with_one.fingerprint, with_one.reading)


@pytest.mark.parametrize(
    ("aliases", "problem"),
    [
        ({"nobody": ("a",)}, r"aliases are given for \['nobody'\], which are not declared"),
        ({"first_name": ("a",), "last_name": ("a",)}, r"the aliases \['a'\] are names of two columns"),
        ({"first_name": ("last_name",)}, r"the aliases \['last_name'\] are names of two columns"),
    ],
)
def test_an_alias_is_of_one_declared_column(aliases: dict[str, tuple[str, ...]], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        replace(find_source("users"), aliases=aliases)
