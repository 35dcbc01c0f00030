"""Avro: no digit is lost, and a damaged file is refused."""

import contextlib
import io
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pytest

from dataflow_assets.errors import FormatError
from dataflow_assets.sources.formats import Avro, avro_blocks
from dataflow_assets_tests.lake.readers.formats_source import read


def avro(folder: Path, fields: dict[str, Any], records: list[dict[str, Any]], codec: str = "null") -> Path:
    """A file of Avro."""
    schema = {"type": "record", "name": "price", "fields": [{"name": name, "type": of} for name, of in fields.items()]}
    path = folder / "prices.avro"
    with path.open("wb") as file:
        fastavro.writer(file, schema, records, codec=codec, sync_interval=100)
    return path


INSTANT = {"type": "long", "logicalType": "timestamp-micros"}
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 30, "scale": 4}
DATE = {"type": "int", "logicalType": "date"}


def optional(kind: Any) -> list[Any]:
    return ["null", kind]


def test_values_are_as_written(tmp_path: Path) -> None:
    fields = {
        "sku": "string",
        "name": optional("string"),
        "qty": ["double", "long"],
        "ratio": "double",
        "price": optional(DECIMAL),
        "active": optional("boolean"),
        "valid_on": optional(DATE),
        "seen_at": optional(INSTANT),
        "more": {"type": "array", "items": "int"},
    }
    seen_at = datetime(2021, 12, 1, 10, 30, 0, 123456, UTC)
    record = {
        "sku": "00012",
        "name": " x ",
        "qty": ("long", 9007199254740993),
        "ratio": 0.1,
        "price": Decimal("99999999999999999999.9999"),
        "active": True,
        "valid_on": date(1, 1, 1),
        "seen_at": seen_at,
        "more": [1],
    }
    empty: dict[str, Any] = {
        **dict.fromkeys(fields),
        "sku": "b",
        "qty": ("long", -(2**63)),
        "ratio": 5e-324,
        "more": [],
    }
    found = read(avro(tmp_path, fields, [record, empty]), Avro())
    assert found.rejects == []
    assert found.rows == [
        ("00012", " x ", 9007199254740993, 0.1, Decimal("99999999999999999999.9999"), True, date(1, 1, 1), seen_at),
        ("b", None, -(2**63), 5e-324, None, None, None, None),
    ]


def test_an_int_beyond_32_bits_keeps_its_digits(tmp_path: Path) -> None:
    path = avro(tmp_path, {"sku": "string", "qty": "long"}, [{"sku": "a", "qty": 2**40 + 1}])
    path.write_bytes(path.read_bytes().replace(b'"long"', b'"int" '))
    assert read(path, Avro()).rows[0][2] == 2**40 + 1


@pytest.mark.parametrize("codec", ["null", "deflate", "snappy", "zstandard"])
def test_blocks_follow_each_other(tmp_path: Path, codec: str) -> None:
    records = [{"sku": f"S{number}", "qty": number} for number in range(1000)]
    found = read(avro(tmp_path, {"sku": "string", "qty": "int"}, records, codec), Avro())
    assert [(row[0], row[2]) for row in found.rows] == [(f"S{number}", number) for number in range(1000)]


def test_rejects_show_the_record(tmp_path: Path) -> None:
    records = [{"sku": "", "name": b"x"}, {"sku": "b", "name": b"\xff"}, {"sku": "c", "name": b"\xc3\xa9"}]
    found = read(avro(tmp_path, {"sku": "string", "name": "bytes"}, records), Avro())
    assert [row[:2] for row in found.rows] == [("c", "é")]
    assert found.reasons == [
        (None, "avro.bytes", "it holds bytes that are no text in UTF-8.", '{"sku": "b", "name": "ff"}'),
        (None, "sku.min_length", "sku is too short.", '{"sku": "", "name": "78"}'),
    ]


def test_bytes_that_nobody_reads_need_not_be_text(tmp_path: Path) -> None:
    records = [{"sku": "a", "more": {"digest": b"\xff"}, "digest": b"\xff"}]
    more = {"type": "record", "name": "more", "fields": [{"name": "digest", "type": "bytes"}]}
    found = read(avro(tmp_path, {"sku": "string", "more": more, "digest": "bytes"}, records), Avro())
    assert (found.rows[0][0], found.rejects) == ("a", [])


def test_a_field_under_an_alias_is_judged_by_the_declared_type(tmp_path: Path) -> None:
    fields = {"sku": "string", "label": {"type": "map", "values": "int"}, "count": "float"}
    records = [{"sku": "a", "label": {"x": 1}, "count": 1}, {"sku": "b", "label": {}, "count": 2**24}]
    aliases = {"name": ("label",), "qty": ("count",)}
    found = read(avro(tmp_path, fields, records), Avro(), aliases)
    assert [one.code for one in found.rejects] == ["label.dtype", "label.dtype"]
    found = read(avro(tmp_path, {"sku": "string", "count": "float"}, records), Avro(), aliases)
    assert [row[2] for row in found.rows] == [1]
    assert [one.code for one in found.rejects] == ["count.dtype"]


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    records = [{"sku": f"S{number}", "qty": number} for number in range(30)]
    path = avro(tmp_path, {"sku": "string", "qty": "int"}, records)
    content = path.read_bytes()
    blocks = {block.offset + block.size for block in fastavro.block_reader(io.BytesIO(content))}
    for length in range(4, len(content)):
        path.write_bytes(content[:length])
        try:
            found = read(path, Avro())
        except FormatError:
            continue
        assert length in blocks or not found.rows, "a block is missing a part, and nobody says so"


def test_what_is_no_avro_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "prices.avro"
    path.write_text("sku\n")
    with pytest.raises(FormatError, match=r"prices.avro does not hold Avro, as its source says."):
        read(path, Avro())
    with path.open("wb") as file:
        fastavro.writer(file, {"type": "string"}, ["a"])
    with pytest.raises(FormatError, match="holds no records: its Avro schema is of another kind"):
        read(path, Avro())


@pytest.mark.parametrize("codec", ["deflate", "bzip2", "xz", "zstandard", "snappy", "null"])
def test_a_block_is_unpacked_only_where_it_is_not_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str
) -> None:
    monkeypatch.setattr(avro_blocks, "LARGEST_BLOCK", 100_000)
    small = avro(tmp_path, {"sku": "string"}, [{"sku": "x" * 90_000}, {"sku": "y" * 90_000}], codec)
    assert [len(row[0]) for row in read(small, Avro()).rows] == [90_000, 90_000]
    large = avro(tmp_path, {"sku": "string"}, [{"sku": "x" * 101_000}], codec)
    with pytest.raises(FormatError, match="one of its blocks unpacks to more than"):
        read(large, Avro())


def test_records_without_bytes_are_no_endless_block(tmp_path: Path) -> None:
    path = avro(tmp_path, {"sku": "null"}, [{"sku": None}] * 200)
    with pytest.raises(FormatError, match="is said to hold 200 records in 0 bytes"):
        read(path, Avro())


@pytest.mark.parametrize("codec", ["deflate", "bzip2", "xz", "zstandard", "snappy"])
def test_a_damaged_block_is_refused(tmp_path: Path, codec: str) -> None:
    path = avro(tmp_path, {"sku": "string"}, [{"sku": f"x{number}" * 20} for number in range(50)], codec)
    content = bytearray(path.read_bytes())
    content[-40:-30] = bytes(10)
    path.write_bytes(content)
    with pytest.raises(FormatError, match="is damaged, or holds what cannot be read"):
        read(path, Avro())
    path.write_bytes(content[:-60])
    with pytest.raises(FormatError, match="is damaged, or holds what cannot be read"):
        read(path, Avro())


@pytest.mark.parametrize(
    ("old", "new"), [(b'"string"', b'"strinx"'), (b'"name"', b'"nome"'), (b'"fields"', b'"felds"')]
)
def test_a_damaged_schema_is_refused(tmp_path: Path, old: bytes, new: bytes) -> None:
    path = avro(tmp_path, {"sku": "string"}, [{"sku": "a"}])
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new.ljust(len(old))))
    with pytest.raises(FormatError, match=r"^prices\.avro is no"):
        read(path, Avro())


def test_a_damaged_block_of_snappy_is_refused_wherever_it_is_damaged(tmp_path: Path) -> None:
    whole = avro(
        tmp_path, {"sku": "string"}, [{"sku": f"x{number}" * 20} for number in range(50)], "snappy"
    ).read_bytes()
    path = tmp_path / "prices.avro"
    for place in range(len(whole) - 300, len(whole) - 16, 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        with contextlib.suppress(FormatError):
            read(path, Avro())
