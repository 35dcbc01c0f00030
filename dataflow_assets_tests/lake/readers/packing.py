"""Files of every format and packing, for tests.

Here: the same rows as bytes of any format, and bytes packed in any way. Not here: what becomes of them.
"""

import gzip
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace

import polars as pl
import pyarrow as pa

from dataflow_assets.sources import find_source
from dataflow_assets.sources.base import Source
from dataflow_assets.sources.formats import Csv, Format, Json, Parquet

USERS = find_source("users")
COLUMNS = ("email", "first_name", "last_name")
PATHS = {name: f"$.{name}" for name in COLUMNS}
ROWS = [("a@x", "Zoë", "Aa"), ("b@x", None, "日本 🎬"), ("no", "B", "Bb"), ("c@x", "C", "Cc")]  # one is rejected


def users(reader: Format) -> Source:
    """The source `users`, delivered in another format."""
    return replace(USERS, reader=reader)


def delimited(delimiter: str = ",", encoding: str = "utf-8", rows: list[tuple[str | None, ...]] | None = None) -> bytes:
    """Rows as CSV; they hold nothing to be quoted."""
    lines = [COLUMNS, *(rows or ROWS)]
    return "".join(delimiter.join(value or "" for value in line) + "\n" for line in lines).encode(encoding)


def json_lines() -> bytes:
    """The rows as JSON lines."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in _objects()).encode()


def parquet(rows: Mapping[str, object] | None = None) -> bytes:
    """Columns, or the rows, as Parquet."""
    written = io.BytesIO()
    pl.DataFrame(rows or _objects()).write_parquet(written)
    return written.getvalue()


def zstd(content: bytes) -> bytes:
    """Bytes packed by zstd."""
    return pa.compress(content, codec="zstd", asbytes=True)  # type: ignore[no-any-return]


def zipped(members: Mapping[str, bytes]) -> bytes:
    """A zip archive."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return written.getvalue()


def _objects() -> list[dict[str, str | None]]:
    return [dict(zip(COLUMNS, row, strict=True)) for row in ROWS]


FORMATS: dict[str, tuple[Format, str, bytes]] = {  # reader, ending, content
    "CSV": (Csv(), ".csv", delimited()),
    "TSV": (Csv(delimiter="\t"), ".tsv", delimited("\t")),
    "CSV in UTF-8 with BOM": (Csv(), ".csv", delimited(encoding="utf-8-sig")),
    "CSV in UTF-16": (Csv(encoding="utf-16"), ".csv", delimited(encoding="utf-16")),
    "CSV in UTF-16, big end first": (
        Csv(encoding="utf-16"),
        ".csv",
        b"\xfe\xff" + delimited(encoding="utf-16-be"),
    ),
    "JSON": (Json(paths=PATHS), ".json", json.dumps(_objects()).encode()),
    "JSON lines": (Json(paths=PATHS, lines=True), ".jsonl", json_lines()),
    "JSON lines by another name": (Json(paths=PATHS, lines=True), ".ndjson", json_lines()),
    "Parquet": (Parquet(), ".parquet", parquet()),
}
PACKED: dict[
    str, tuple[str, Callable[[str, bytes], bytes]]
] = {  # the ending, and the bytes of a file that may have a name inside
    "plain": ("", lambda name, content: content),
    "gzip": (".gz", lambda name, content: gzip.compress(content)),
    "gzip in two parts": (".gz", lambda name, content: gzip.compress(content[:9]) + gzip.compress(content[9:])),
    "zstd": (".zst", lambda name, content: zstd(content)),
    "zip": (".zip", lambda name, content: zipped({name: content})),
    "zip with a folder": (".zip", lambda name, content: zipped({"a folder/": b"", f"a folder/{name}": content})),
}
