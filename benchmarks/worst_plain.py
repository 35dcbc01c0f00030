"""Of plain formats the files that take the most memory of those that the platform's limits let through.

Here: text and Parquet. Not here: what is packed (see `worst_packed`), and reading them (see `worst_reader`).
"""

import json
import random
import string
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS = ("number", "text")
MIB = 1 << 20
Write = Callable[[Path], None]
_DIGITS = random.Random(1)


def _write(path: Path, pieces: Iterator[str]) -> None:
    with path.open("w") as file:
        file.writelines(pieces)


def long_text(size: int) -> str:
    """So many letters that do not pack well."""
    return "".join(_DIGITS.choices(string.ascii_letters, k=min(size, 4096))) * (size // 4096 or 1)


def _bytes(beginning: bytes, line: bytes, times: int) -> Write:
    def write(path: Path) -> None:
        path.write_bytes(beginning + line * times)

    return write


def csv(*records: str, times: int = 1) -> Write:
    return lambda path: _write(path, iter(["number,text\n", *(record * times for record in records)]))


def _wide_csv(path: Path) -> None:
    names = [*COLUMNS, *(f"c{number}" for number in range(10_000))]
    _write(path, iter([",".join(names) + "\n", *[",".join("1" for _ in names) + "\n"] * 1_000]))


def _many(line: str, count: int) -> Iterator[str]:
    yield from (line for _ in range(count))


def _fixed_width(line: str, count: int) -> Write:
    return lambda path: _write(path, chain([f"{1:10}{'a':10}\n"], _many(line, count)))


def _json_lines(size: int, times: int = 1) -> Write:
    """Lines of one text of so many letters."""
    return lambda path: _write(path, _many(json.dumps({"number": 1, "text": long_text(size)}) + "\n", times))


def _array(*objects: str, times: int = 1) -> Write:
    return lambda path: _write(path, iter(["[", ",".join(",".join([one] * times) for one in objects), "]"]))


def _wide_json(path: Path) -> None:
    one = json.dumps({"number": 1, "text": "a", **{f"c{number}": number for number in range(10_000)}})
    _write(path, iter(["[", ",".join([one] * 400), "]"]))


def _parquet(columns: Callable[[], dict[str, pa.Array]], **options: object) -> Write:
    return lambda path: pq.write_table(pa.table(columns()), path, compression="zstd", **options)


def _same_text(rows: int) -> dict[str, pa.Array]:
    text = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), [long_text(1_400_000)])
    return {"number": pa.array(range(rows)), "text": text.cast(pa.large_string())}


def _wide_parquet() -> dict[str, pa.Array]:
    rows = 20_000
    ones = pa.array([1] * rows)
    return {"number": pa.array(range(rows)), "text": pa.array(["a"] * rows), **{f"c{n}": ones for n in range(2_000)}}


_DEEP = '{"a":' * 20_000 + "1" + "}" * 20_000

PLAIN: dict[str, dict[str, Write]] = {
    "csv": {
        "many tiny rejects": csv("a\n", times=2_000_000),
        "many tiny rejects, broken text": _bytes(b"number,text\n", b"\xff\n", 1_000_000),
        "many tiny rejects, ends of CR": csv("a\r", times=1_000_000),
        "one huge value": csv(f"1,{long_text(11 * MIB)}\n"),
        "many values of 1.9 MB": csv(f"1,{long_text(1_900_000)}\n", times=150),
        "many values of 0.9 MB": csv(f"1,{long_text(900_000)}\n", times=300),
        "many rejects of 1.9 MB": csv(f"{long_text(1_900_000)}\n", times=150),
        "10,000 columns": _wide_csv,
        "a record of 50 MB": csv(f'1,"{long_text(50 * MIB)}"\n'),
    },
    "json lines": {
        "many tiny rejects": _bytes(b"{}\n", b"{\n", 2_000_000),
        "many tiny rejects, broken text": _bytes(b'{"\n', b"\xff\n", 1_000_000),
        "one huge value": _json_lines(7 * MIB),
        "many values of 1.9 MB": _json_lines(1_900_000, 150),
        "many values of 0.9 MB": _json_lines(900_000, 300),
        "deep nesting": lambda path: _write(path, _many(_DEEP + "\n", 100)),
        "a record of 11 MB": _json_lines(11 * MIB),
        "a record of 50 MB": _json_lines(50 * MIB),
    },
    "json": {
        "many tiny rejects": _array("{}", times=1_000_000),
        "many tiny rejects, broken": _array("{}", "{a}", times=500_000),
        "one huge value": _array(json.dumps({"number": 1, "text": long_text(7 * MIB)})),
        "many values of 1.9 MB": _array(json.dumps({"number": 1, "text": long_text(1_900_000)}), times=150),
        "10,000 keys": _wide_json,
        "deep nesting": _array(_DEEP, times=100),
        "a record of 50 MB": _array(json.dumps({"number": 1, "text": long_text(50 * MIB)})),
    },
    "parquet": {
        "dictionary of one long text, 150 rows": _parquet(lambda: _same_text(150)),
        "dictionary of one long text, 600 rows": _parquet(lambda: _same_text(600)),
        "one long text, no dictionary": _parquet(lambda: _same_text(600), use_dictionary=False),
        "many tiny rejects": _parquet(lambda: {"number": pa.nulls(1_000_000, pa.int64()), "text": pa.nulls(1_000_000)}),
        "one huge value": _parquet(lambda: {"number": pa.array([1]), "text": pa.array([long_text(15 * MIB)])}),
        "2,000 columns": _parquet(_wide_parquet),
    },
    "fixed width": {
        "many tiny rejects": _fixed_width("a\n", 2_000_000),
        "many rejects of 1 MB": _fixed_width("a" * 1_040_000 + "\n", 300),
        "a line of 50 MB": lambda path: _write(path, iter([long_text(50 * MIB)])),
    },
}
PLAIN_SUFFIXES = {
    "csv": ".csv",
    "json": ".json",
    "json lines": ".jsonl",
    "parquet": ".parquet",
    "fixed width": ".fwf",
}
