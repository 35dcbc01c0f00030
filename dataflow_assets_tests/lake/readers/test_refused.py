"""Files that are refused as a whole: nothing of them is loaded, and one reject says why."""

import gzip
import io
import json
import stat
import zipfile
from collections.abc import Callable

import pytest

from dataflow_assets.lake.delta.table import read_rejects, rows_table
from dataflow_assets.lake.ingest import ingest
from dataflow_assets.lake.readers import archives
from dataflow_assets.landing.storage import Storage
from dataflow_assets.sources.base import Source
from dataflow_assets.sources.formats import Csv, Json, Parquet
from dataflow_assets_tests.lake.readers.packing import (
    PATHS,
    USERS,
    delimited,
    json_lines,
    parquet,
    users,
    zipped,
    zstd,
)
from dataflow_assets_tests.landing.stores import FIRST_DAY, land

CSV, JSON = delimited(), json.dumps([{"email": "a@x"}] * 2).encode()
AS_JSON, AS_LINES, AS_PARQUET = users(Json(paths=PATHS)), users(Json(paths=PATHS, lines=True)), users(Parquet())
HTML = b"<!DOCTYPE html>\n<html><body>\n{ sorry }\n</body></html>\n"
BOMB = b"email\n" + b"a@x\n" * 1_000_000


def _changed(change: Callable[[zipfile.ZipInfo], None], content: bytes = CSV) -> bytes:
    """An archive whose member says something of itself."""
    info, written = zipfile.ZipInfo("u.csv"), io.BytesIO()
    change(info)
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr(info, content)
    return written.getvalue()


def _link(info: zipfile.ZipInfo) -> None:
    info.external_attr = (stat.S_IFLNK | 0o777) << 16


def _bzip2(info: zipfile.ZipInfo) -> None:
    info.compress_type = zipfile.ZIP_BZIP2


def _encrypted() -> bytes:
    """The flag of encryption is set, in the member's own header and in the list."""
    content = bytearray(zipped({"u.csv": CSV}))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def _damaged(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]


def _twice(name: str) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr(name, CSV)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr(name, CSV)
    return written.getvalue()


def _unlisted() -> bytes:
    """An archive whose end says that its list has no bytes."""
    content = bytearray(zipped({"u.csv": CSV}))
    end = content.index(b"PK\x05\x06")
    content[end + 12 : end + 16] = bytes(4)
    return bytes(content)


REFUSED: dict[str, tuple[Source, str, bytes, str]] = {
    # cut short or damaged
    "a gzip cut short": (
        USERS,
        "u.csv.gz",
        gzip.compress(CSV)[:-3],
        "u.csv.gz cannot be unpacked: Compressed file ended",
    ),
    "a gzip without a byte": (USERS, "u.csv.gz", b"", "u.csv.gz does not hold gzip, as its name says."),
    "a gzip that is damaged": (
        USERS,
        "u.csv.gz",
        _damaged(gzip.compress(CSV), -6),
        "u.csv.gz cannot be unpacked: CRC check failed",
    ),
    "a gzip with something behind it": (USERS, "u.csv.gz", gzip.compress(CSV) + b"more", "cannot be unpacked"),
    "JSON in a gzip cut short": (
        AS_JSON,
        "u.json.gz",
        gzip.compress(JSON)[:-9],
        "cannot be unpacked: Compressed file ended",
    ),
    "a zstd cut short": (USERS, "u.csv.zst", zstd(CSV)[:-3], "u.csv.zst cannot be unpacked: Truncated"),
    "a zip cut short": (USERS, "u.zip", zipped({"u.csv": CSV})[:-9], "u.zip cannot be unpacked: File is not a zip"),
    "JSON in a zip cut short": (AS_JSON, "u.zip", zipped({"u.json": JSON})[:60], "u.zip cannot be unpacked"),
    "a zip that is damaged": (
        USERS,
        "u.zip",
        _damaged(zipped({"u.csv": b"email\nabc@def\n"}), 45),
        "u.zip: u.csv cannot be unpacked",
    ),
    "a zip that lists nothing": (USERS, "u.zip", _unlisted(), "the list of its members is damaged"),
    "the second member of two": (
        USERS,
        "u.zip",
        zipped({"a.csv": CSV, "b.csv": HTML}),
        "b.csv: b.csv is not a CSV file of users: its first line lacks the column email.",
    ),
    # JSON that is not whole
    "a JSON array cut short": (AS_JSON, "u.json", JSON[:-1], "u.json is not a JSON file that holds one whole array"),
    "a JSON array cut in an object": (AS_JSON, "u.json", JSON[:-5], "is not a JSON file that holds one whole array"),
    "a JSON array with a comma at its end": (AS_JSON, "u.json", JSON[:-1] + b",]", "holds one whole array"),
    # what an archive must not hold
    "an encrypted archive": (USERS, "u.zip", _encrypted(), "u.zip is refused: its member 'u.csv' is encrypted."),
    "a link": (USERS, "u.zip", _changed(_link, b"/etc/passwd"), "its member 'u.csv' is a link or a device."),
    "another method": (USERS, "u.zip", _changed(_bzip2), "its member 'u.csv' is packed by another method"),
    "a folder with content": (USERS, "u.zip", zipped({"u.csv/": CSV}), "its member 'u.csv/' is a folder with content."),
    "no name": (USERS, "u.zip", zipped({".": CSV}), "its member '.' has no name."),
    "a name twice": (USERS, "u.zip", _twice("u.csv"), "u.zip is refused: it holds two members of one name."),
    "an archive in an archive, by its name": (USERS, "u.zip", zipped({"u.csv.gz": CSV}), "is an archive itself."),
    "an archive in an archive": (
        USERS,
        "u.zip",
        zipped({"u.csv": gzip.compress(CSV)}),
        "u.zip: u.csv holds gzip, which neither its name nor its source says.",
    ),
    "gzip in gzip": (USERS, "u.csv.gz", gzip.compress(gzip.compress(CSV)), "u.csv.gz holds gzip, which neither"),
    # the columns
    "two columns of one name": (
        USERS,
        "u.csv",
        b"email,email\na@x,b@x\n",
        "names the column email twice: 'email', 'email'.",
    ),
    "no required column": (USERS, "u.csv", b"first_name\nA\n", "its first line lacks the column email."),
    "two Parquet columns of one name": (
        AS_PARQUET,
        "u.parquet",
        parquet({"email": ["a@x"], "emaiI": ["b@x"]}).replace(b"emaiI", b"email"),
        "u.parquet names the column email twice: 'email', 'email'.",
    ),
    "no required Parquet column": (
        AS_PARQUET,
        "u.parquet",
        parquet({"first_name": ["A"]}),
        "u.parquet is not a Parquet file of users: it lacks the column email.",
    ),
    "a Parquet column of another type": (
        AS_PARQUET,
        "u.parquet",
        parquet({"email": [1, 2]}),
        "its column email is of the type int64, which is not String, the declared one.",
    ),
    # content that is not the format
    "an error page": (USERS, "u.csv", HTML, "u.csv is not a CSV file of users: its first line lacks the column email."),
    "an error page for JSON": (AS_JSON, "u.json", HTML, "is not a JSON file that holds one whole array of objects."),
    "an error page for JSON lines": (AS_LINES, "u.jsonl", HTML, "u.jsonl is not a file of JSON lines"),
    "an error page for Parquet": (AS_PARQUET, "u.parquet", HTML, "does not hold Parquet, as its source says."),
    "an error page for gzip": (USERS, "u.csv.gz", HTML, "u.csv.gz does not hold gzip, as its name says."),
    "an error page in a gzip": (USERS, "u.csv.gz", gzip.compress(HTML), "u.csv.gz is not a CSV file of users"),
    "gzip without saying so": (USERS, "u.csv", gzip.compress(CSV), "u.csv holds gzip, which neither its name nor"),
    "zstd without saying so": (USERS, "u.csv", zstd(CSV), "u.csv holds zstd, which neither its name nor"),
    "zip without saying so": (AS_JSON, "u.json", zipped({"u.json": JSON}), "u.json holds zip, which neither"),
    "gzip that is a zip": (USERS, "u.csv.gz", zipped({"u.csv": CSV}), "u.csv.gz does not hold gzip, as its name says."),
    "Parquet without saying so": (USERS, "u.csv", parquet(), "u.csv holds Parquet, which neither its name nor"),
    "nothing for Parquet": (AS_PARQUET, "u.parquet", b"", "u.parquet does not hold Parquet, as its source says."),
    "a Parquet file with a name that is no text": (
        AS_PARQUET,
        "u.parquet",
        parquet({"email": ["a@x"], "more!": [1]}).replace(b"more!", b"more\xff"),
        "u.parquet cannot be parsed: 'utf-8' codec can't decode byte 0xff",
    ),
    "a Parquet file cut short": (AS_PARQUET, "u.parquet", parquet()[:-9], "u.parquet cannot be parsed: "),
    "JSON by its name": (USERS, "u.json", CSV, "u.json is named .json, but its source is declared as .csv."),
    "CSV by its name": (AS_JSON, "u.csv.gz", gzip.compress(JSON), "u.csv.gz is named .csv, but its source is"),
    "TSV by its name": (USERS, "u.tsv", CSV, "u.tsv is named .tsv, but its source is declared as .csv."),
    "JSON by its name in a zip": (USERS, "u.zip", zipped({"u.json": CSV}), "u.zip: u.json is named .json"),
    "a JSON array for JSON lines": (AS_LINES, "u.jsonl", b'[\n{"email":"a@x"}\n]', "is not a file of JSON lines"),
    "CSV for JSON lines": (AS_LINES, "u.jsonl", CSV, "u.jsonl is not a file of JSON lines"),
    "JSON lines for a JSON array": (AS_JSON, "u.json", json_lines(), "holds one whole array of objects."),
    # the encoding
    "UTF-16 that is not declared": (USERS, "u.csv", delimited(encoding="utf-16"), "lacks the column email."),
    "UTF-8 where UTF-16 is declared": (
        users(Csv(encoding="utf-16")),
        "u.csv",
        CSV,
        "u.csv is not text in utf-16, as its source says: UTF-16 stream does not start with BOM.",
    ),
    "UTF-16 with half a surrogate pair": (
        users(Csv(encoding="utf-16")),
        "u.csv",
        delimited(encoding="utf-16") + b"\x00\xd8a\x00",
        "u.csv is not text in utf-16, as its source says: illegal UTF-16 surrogate.",
    ),
    "UTF-16 with half a character": (
        users(Csv(encoding="utf-16")),
        "u.csv",
        delimited(encoding="utf-16")[:-1],
        "u.csv is not text in utf-16, as its source says: truncated data.",
    ),
}
for name in ("../u.csv", "a/../../u.csv", "..", "/u.csv", "\\u.csv", "a\\..\\u.csv", "C:u.csv"):
    REFUSED[f"a member {name}"] = (
        USERS,
        "u.zip",
        zipped({name: CSV}),
        f"u.zip is refused: its member {name!r} has a name that leads out of the archive.",
    )


def _require_refused(storage: Storage, source: Source, name: str, content: bytes, sentence: str) -> None:
    land(storage, source, name, b"email\na@x\n")
    delivery = land(storage, source, name, content)
    taken = ingest(storage, source, delivery.object, "UTC", first_day=FIRST_DAY)
    assert taken is not None
    assert (taken.delivered, taken.accepted, taken.rejected) == (1, 0, 1)
    assert rows_table(storage, source).scan().collect().is_empty()
    [reject] = read_rejects(storage, None)
    assert (reject["object"], reject["line"], reject["code"]) == (delivery.object, None, "file.format")
    assert reject["message"] == taken.refusal
    assert sentence in reject["message"]
    assert reject["message"].endswith(".")
    assert "\n" not in reject["message"]


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_is_refused_as_a_whole_and_one_reject_says_why(local_storage: Storage, case: str) -> None:
    _require_refused(local_storage, *REFUSED[case])


BOMBS = {
    "gzip": ("u.csv.gz", gzip.compress(BOMB)),
    "zstd": ("u.csv.zst", zstd(BOMB)),
    "zip": ("u.zip", zipped({"a.csv": BOMB[: len(BOMB) // 2], "b.csv": BOMB[: len(BOMB) // 2]})),
}


@pytest.mark.parametrize("packing", BOMBS)
@pytest.mark.parametrize("limits", [{"_HARMLESS_BYTES": 1 << 20}, {"_MOST_BYTES": len(BOMB) - 10}], ids="+".join)
def test_a_file_that_unpacks_to_too_much_is_refused(
    local_storage: Storage, monkeypatch: pytest.MonkeyPatch, packing: str, limits: dict[str, int]
) -> None:
    name, content = BOMBS[packing]
    for limit, value in limits.items():
        monkeypatch.setattr(archives, limit, value)
    _require_refused(local_storage, USERS, name, content, f"{name} is refused: it unpacks to more than ")


@pytest.mark.parametrize("limit", ["_HARMLESS_BYTES", "_MOST_BYTES"])
def test_a_file_may_unpack_to_as_much_as_is_allowed(
    local_storage: Storage, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(archives, limit, len(BOMB))
    taken = ingest(local_storage, USERS, land(local_storage, USERS, *BOMBS["gzip"]).object, "UTC", first_day=FIRST_DAY)
    assert taken is not None
    assert (taken.accepted, taken.rejected) == (1_000_000, 0)
