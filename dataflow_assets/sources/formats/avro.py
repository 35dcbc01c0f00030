"""Avro: object container files.

Here: how such a file is declared and read.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import fastavro
import polars as pl
from fastavro.schema import SchemaParseException, UnknownType

from dataflow_assets.core.formatting import plain, to_json
from dataflow_assets.core.iteration import batched_by_size
from dataflow_assets.errors import FormatError
from dataflow_assets.sources.formats.avro_schemas import require_bounded_schema
from dataflow_assets.sources.formats.base import RecordFormat, Records, Reject, types_of

_RECORDS = 20_000  # at a time
_LONGEST = 8 << 20  # characters of a record as JSON
_LONGEST_SHOWN = 1 << 20  # characters of one that is longer
_TEXT = 4 << 20  # characters at a time, and the record with which they are reached
_SCALARS = {"null", "boolean", "int", "long", "float", "double", "bytes", "string", "enum", "fixed"}
_FIRST_INEXACT = 2**24  # whole numbers from here on may be the same float of 32 bits
_BROKEN = (
    SchemaParseException,
    UnknownType,
    ValueError,
    EOFError,
    OverflowError,
    KeyError,
    IndexError,
    TypeError,
    MemoryError,
    UnicodeDecodeError,
    RecursionError,
)


@dataclass(frozen=True, kw_only=True)
class Avro(RecordFormat):
    """A file of Avro records; fields are matched by name.

    Instants are read in UTC (`local-timestamp` ones without a zone); of a declared list or struct the field is an
    array, a map or a record. Bytes of a declared field that are no decimal are read as text in UTF-8.
    """

    label: ClassVar = "Avro"
    endings: ClassVar = {".avro": ".avro"}
    magic: ClassVar = b"Obj\x01"

    @property
    def suffix(self) -> str:
        """`.avro`."""
        return ".avro"

    def check(self, path: Path, columns: Mapping[str, pl.DataType]) -> None:  # noqa: ARG002
        """Look at the schema in the file."""
        with path.open("rb") as file:
            _fields(path, _open(path, file))

    def read(self, path: Path, columns: Mapping[str, pl.DataType]) -> Iterator[Records]:
        """Read some records of a block at a time."""
        from dataflow_assets.sources.formats.avro_blocks import require_bounded_blocks  # noqa: PLC0415, as below

        with path.open("rb") as file:
            blocks = _open(path, file)
            fields = _fields(path, blocks)
            types = types_of(fields, columns)
            misfits, read = _misfits(fields, types), {name: name in types for name in fields}
            try:
                start = file.tell()
                require_bounded_blocks(file, blocks.codec)
                file.seek(start)
                for block in blocks:
                    delivered = block.num_records
                    for some in batched_by_size(map(_with_text, block), _RECORDS, lambda found: len(found[1]), _TEXT):
                        yield _records(read, misfits, some, delivered)
                        delivered = 0
            except _BROKEN as error:
                raise FormatError(f"{path.name} is damaged, or holds what cannot be read: {error}.") from None


def _open(path: Path, file: Any) -> Any:
    # With pyarrow come 25 MiB, which who reads no Avro does without.
    from dataflow_assets.sources.formats.avro_blocks import require_bounded_header  # noqa: PLC0415

    try:
        require_bounded_header(file)
        file.seek(0)
        blocks = fastavro.block_reader(file)
        require_bounded_schema(blocks.writer_schema)
    except _BROKEN as error:
        raise FormatError(f"{path.name} is not a file of Avro that can be read: {error}.") from None
    return blocks


def _fields(path: Path, blocks: Any) -> dict[str, Any]:
    """The fields of a record, with the type of each."""
    schema = blocks.writer_schema
    if not isinstance(schema, dict) or schema.get("type") != "record":
        raise FormatError(f"{path.name} holds no records: its Avro schema is of another kind.")
    return {field["name"]: field["type"] for field in schema["fields"]}


def _misfits(fields: Mapping[str, Any], types: Mapping[str, pl.DataType]) -> dict[str, Callable[[Any], bool]]:
    """What tells, of a field that may have some, the values that its column cannot take, though their texts look so."""
    found: dict[str, Callable[[Any], bool]] = {}
    for name, kind in fields.items():
        kinds = {
            str(one.get("type") if isinstance(one, dict) else one)
            for one in (kind if isinstance(kind, list) else [kind])
        }
        dtype = types.get(name, pl.Null())
        if isinstance(dtype, pl.String) and not kinds <= _SCALARS:
            found[name] = lambda value: isinstance(value, dict | list)
        elif dtype.is_integer() and "float" in kinds:
            found[name] = lambda value: isinstance(value, float) and abs(value) >= _FIRST_INEXACT
    return found


def _with_text(record: dict[str, Any]) -> tuple[dict[str, Any], str]:
    try:
        return record, json.dumps(record, default=_shown, ensure_ascii=False, allow_nan=False)
    except ValueError:  # JSON has neither NaN nor infinity
        return record, to_json(plain(record))


def _records(
    fields: Mapping[str, bool],
    misfits: Mapping[str, Callable[[Any], bool]],
    found: list[tuple[dict[str, Any], str]],
    delivered: int,
) -> Records:
    """Records as texts, by the fields that they have and whether each is read."""
    origins: list[tuple[None, str]] = []
    values: list[list[str | None]] = []
    rejects: list[Reject] = []
    for record, raw in found:
        if len(raw) > _LONGEST:
            message = f"it is longer than {_LONGEST:,} characters as JSON."
            rejects.append(Reject(line=None, code="avro.length", message=message, raw=raw[:_LONGEST_SHOWN]))
            continue
        if wrong := next((name for name, is_misfit in misfits.items() if is_misfit(record[name])), None):
            message = f"{wrong} is not of the declared type."
            rejects.append(Reject(line=None, code=f"{wrong}.dtype", message=message, raw=raw))
            continue
        try:
            values.append([_field_text(record[name], is_read=is_read) for name, is_read in fields.items()])
        except UnicodeDecodeError:
            message = "it holds bytes that are no text in UTF-8."
            rejects.append(Reject(line=None, code="avro.bytes", message=message, raw=raw))
        else:
            origins.append((None, raw))
    return Records(
        origins=pl.DataFrame(origins, {"line": pl.Int64, "raw": pl.String}, orient="row"),
        values=pl.DataFrame(values, dict.fromkeys(fields, pl.String), orient="row"),
        rejects=rejects,
        delivered=delivered,
    )


def _field_text(value: Any, *, is_read: bool) -> str | None:
    """A value as text; of a field that nobody reads None where it is none."""
    try:
        return _text(value)
    except UnicodeDecodeError:
        if is_read:
            raise
        return None


def _text(value: Any) -> str | None:
    match value:
        case bool():
            text = str(value).lower()
        case dict() | list():
            text = json.dumps(value, default=_text, ensure_ascii=False)
        case bytes():
            text = value.decode()
        case datetime() if value.tzinfo:
            text = value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case Decimal():
            text = f"{value:f}"
        case date() | time():
            text = value.isoformat()
        case _:
            return None if value is None else str(value)
    return text


def _shown(value: Any) -> str:
    """What a reject shows of a value that JSON has not."""
    if isinstance(value, bytes):
        return value.hex()
    return str(value) if isinstance(value, UUID | Decimal) else value.isoformat()


FORMAT = Avro
