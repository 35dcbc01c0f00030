"""Names of columns in files of every format: without case and outer blanks, under an alias, twice, and absent."""

import io
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dataframely as dy
import fastavro
import openpyxl
import polars as pl
import pytest

from dataflow_assets.errors import FormatError
from dataflow_assets.lake.readers import read_file
from dataflow_assets.sources import Avro, Csv, Excel, Json, Parquet, Snapshot, Source
from dataflow_assets.sources.formats import Format

Row = Mapping[str, Any]


class Prices(dy.Schema):
    sku = dy.String()
    name = dy.String(nullable=True)
    qty = dy.Int64(nullable=True)


def write_csv(rows: Sequence[Row]) -> bytes:
    lines = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    return "".join(",".join(line) + "\n" for line in lines).encode()


def write_json(rows: Sequence[Row]) -> bytes:
    return json.dumps(rows).encode()


def write_json_lines(rows: Sequence[Row]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def write_parquet(rows: Sequence[Row]) -> bytes:
    written = io.BytesIO()
    pl.DataFrame(rows).write_parquet(written)
    return written.getvalue()


def write_avro(rows: Sequence[Row]) -> bytes:
    """Avro takes no other names than words: a blank is an underscore here."""
    written = io.BytesIO()
    fields = [{"name": name, "type": "int" if isinstance(value, int) else "string"} for name, value in rows[0].items()]
    fastavro.writer(written, {"type": "record", "name": "row", "fields": fields}, rows)
    return written.getvalue()


def write_workbook(rows: Sequence[Row]) -> bytes:
    workbook = openpyxl.Workbook()
    assert workbook.active
    for line in (list(rows[0]), *(list(row.values()) for row in rows)):
        workbook.active.append(line)
    written = io.BytesIO()
    workbook.save(written)
    return written.getvalue()


PATHS = {"sku": "$.sku", "name": "$.name", "qty": "$.qty"}
FORMATS: Mapping[str, tuple[Format, Callable[[Sequence[Row]], bytes]]] = {
    "csv": (Csv(), write_csv),
    "json": (Json(paths=PATHS), write_json),
    "json lines": (Json(paths=PATHS, lines=True), write_json_lines),
    "json in an object": (Json(paths=PATHS, records="$.data"), lambda rows: b'{"data":' + write_json(rows) + b"}"),
    "parquet": (Parquet(), write_parquet),
    "avro": (Avro(), write_avro),
    "excel": (Excel(), write_workbook),
}


@dataclass
class Found:
    rows: list[tuple[Any, ...]]
    rejects: list[str]
    repaired: Counter[str]
    undeclared: set[str]
    missing: set[str]


@dataclass
class Trial:
    """A format, and what a file of it gives."""

    source: Source
    write: Callable[[Sequence[Row]], bytes]
    path: Path

    def read(self, *rows: Row, **options: Any) -> Found:
        self.path.write_bytes(self.write(rows))
        content = read_file(self.path, replace(self.source, **options))
        batches = list(content.batches)
        found = [row for batch in batches for row in batch.rows.select(Prices.column_names()).rows()]
        rejects = [reject.code for batch in batches for reject in batch.rejects]
        assert sum(batch.delivered for batch in batches) == len(found) + len(rejects)
        repaired = sum((Counter(batch.repaired) for batch in batches), Counter[str]())
        return Found(found, rejects, repaired, content.undeclared_columns, content.missing_columns)


@pytest.fixture(params=FORMATS)
def trial(request: pytest.FixtureRequest, tmp_path: Path) -> Trial:
    reader, write = FORMATS[request.param]
    source = Snapshot(
        name="prices",
        singular="price",
        description="Made up.",
        owner="team:tests",
        schema=Prices,
        reader=reader,
        key=("sku",),
    )
    return Trial(source, write, tmp_path / f"prices{reader.suffix}")


def test_a_name_in_another_case_is_the_declared_one(trial: Trial) -> None:
    found = trial.read({"SKU": "a", "Name": "A", "qty": 1}, {"SKU": "b", "Name": "B", "qty": 2})
    assert found == Found([("a", "A", 1), ("b", "B", 2)], [], Counter(column_names=2), set(), set())


def test_a_name_with_blanks_around_it_is_the_declared_one(trial: Trial) -> None:
    if isinstance(trial.source.reader, Avro):
        pytest.skip("a name in Avro is a word")
    found = trial.read({"sku": "a", " name": "A", "qty ": 1})
    # A workbook's names are read without blanks in any case.
    repaired = 0 if isinstance(trial.source.reader, Excel) else 2
    assert found == Found([("a", "A", 1)], [], +Counter(column_names=repaired), set(), set())


def test_an_alias_is_the_declared_name_and_counts_before_a_name_that_is_alike(trial: Trial) -> None:
    found = trial.read({"sku": "a", "title": "A", "Qty": 1}, aliases={"name": ("label", "title")})
    assert found == Found([("a", "A", 1)], [], Counter(column_names=1), set(), set())


def test_the_declared_name_counts_before_others(trial: Trial) -> None:
    found = trial.read({"sku": "a", "title": "B", "name": "A", "qty": 1}, aliases={"name": ("title",)})
    assert found.rows == [("a", "A", 1)]
    assert found.undeclared <= {"title"}


def test_two_names_that_may_be_one_column_are_none(trial: Trial) -> None:
    row = {"sku": "a", "Name": "A", "NAME": "B", "qty": 1}
    if isinstance(trial.source.reader, Json):  # where each object has keys of its own
        found = trial.read(row, {"sku": "b", "NAME": "B", "qty": 2})
        assert (found.rows, found.rejects) == ([("b", "B", 2)], ["json.duplicate_key"])
    else:
        with pytest.raises(FormatError, match="names the column name twice"):
            trial.read(row)


def test_a_name_that_is_alike_beside_the_declared_one_is_another_column(trial: Trial) -> None:
    found = trial.read({"sku": "a", "name": "A", "NAME": "B", "qty": 1})
    assert (found.rows, found.rejects, found.undeclared) == ([("a", "A", 1)], [], {"NAME"})


def test_a_column_that_is_not_there_is_missing_and_one_without_values_is_not(trial: Trial) -> None:
    found = trial.read({"sku": "a", "other": "A"})
    assert (found.rows, found.undeclared, found.missing) == ([("a", None, None)], {"other"}, {"name", "qty"})
    found = trial.read({"sku": "a", "other": "A"}, optional_columns=("qty",))
    assert found.missing == {"name"}
    assert trial.read({"sku": "a", "name": "", "qty": 1}).missing == set()


def test_a_file_without_a_column_that_each_row_has_is_refused(trial: Trial) -> None:
    if isinstance(trial.source.reader, Json):  # where each object has keys of its own
        assert trial.read({"name": "A", "qty": 1}).rejects == ["sku.nullability"]
    else:
        with pytest.raises(FormatError, match="lacks the column sku"):
            trial.read({"name": "A", "qty": 1})


def test_keys_of_json_differ_from_object_to_object(tmp_path: Path) -> None:
    """Many objects, in several batches, the first of which have the declared names."""
    reader, write = FORMATS["json lines"]
    source = Snapshot(
        name="prices",
        singular="price",
        description="Made up.",
        owner="team:tests",
        schema=Prices,
        reader=reader,
        key=("sku",),
    )
    first = [{"sku": str(number), "name": "x" * 1000} for number in range(10_000)]
    found = Trial(source, write, tmp_path / "prices.jsonl").read(*first, {"SKU": "a", "NAME": "A", "qty": None})
    assert (len(found.rows), found.rows[-1], found.rejects) == (10_001, ("a", "A", None), [])
    assert (found.repaired, found.missing) == (Counter(column_names=2), set())


@pytest.mark.parametrize(
    ("record", "missing"),
    [
        ({"sku": "a", "address": None, "tags": []}, set()),
        ({"sku": "a", "address": {"town": 1}, "tags": [{"t": 1}]}, {"name"}),
        ({"sku": "a"}, {"name", "qty"}),
    ],
)
def test_what_holds_a_value_may_be_null_or_empty(tmp_path: Path, record: Row, missing: set[str]) -> None:
    source = Snapshot(
        name="prices",
        singular="price",
        description="Made up.",
        owner="team:tests",
        schema=Prices,
        reader=Json(paths={"sku": "$.sku", "name": "$.address.street", "qty": "$.tags[0].n"}),
        key=("sku",),
    )
    found = Trial(source, write_json, tmp_path / "prices.json").read(record)
    assert (found.rows, found.missing) == ([("a", None, None)], missing)
