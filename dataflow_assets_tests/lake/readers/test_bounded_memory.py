"""No file is unpacked or cut into more at a time than a few megabytes or a batch of rows, whatever its format."""

from pathlib import Path

import dataframely as dy
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow_assets.errors import FormatError
from dataflow_assets.lake.readers import parquet_memory, read_file
from dataflow_assets.lake.readers.base import BATCH_BYTES, BATCH_ROWS, cut_lines
from dataflow_assets.sources.base import Snapshot
from dataflow_assets.sources.formats import Csv, Format, Json, Parquet

PATHS = {"number": "$.number", "text": "$.text"}


class Schema(dy.Schema):
    number = dy.Int64(nullable=False)
    text = dy.String(nullable=True)


def source(reader: Format) -> Snapshot:
    return Snapshot(
        name="things",
        singular="thing",
        description="Things.",
        owner="team:things",
        schema=Schema,
        reader=reader,
        key=("number",),
    )


@given(st.binary().map(lambda some: some.replace(b"\xff", b"\n")), st.integers(1, 5))
def test_lines_are_cut_into_whole_lines_and_nothing_is_lost(content: bytes, most: int) -> None:
    pieces = list(cut_lines(content, most))
    assert b"".join(pieces) == content
    assert all(piece.count(b"\n") <= most for piece in pieces)
    assert all(piece.endswith(b"\n") for piece in pieces[:-1])


@pytest.mark.parametrize(
    ("name", "reader", "beginning", "line"),
    [
        ("a.csv", Csv(), b"number,text\n", b"a\n"),
        ("a.csv", Csv(), b"number,text\n", b"\xff\n"),
        ("a.csv", Csv(), b"number,text\n", b"a\r"),
        ("a.jsonl", Json(paths=PATHS, lines=True), b'{"\n', b"{\n"),
        ("a.jsonl", Json(paths=PATHS, lines=True), b'{"\n', b"\xff\n"),
    ],
)
def test_tiny_broken_lines_come_in_batches_and_all_are_counted(
    tmp_path: Path, name: str, reader: Format, beginning: bytes, line: bytes
) -> None:
    count = BATCH_ROWS + 50_000
    path = tmp_path / name
    path.write_bytes(beginning + line * count)
    batches = list(read_file(path, source(reader)).batches)
    rejects = [len(batch.rejects) for batch in batches]
    assert max(rejects) <= BATCH_ROWS
    assert sum(rejects) == sum(batch.delivered for batch in batches) == count + beginning.startswith(b"{")


def write_same_text(path: Path, rows: int, size: int, row_group_size: int | None = None) -> None:
    text = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), ["ab" * (size // 2)])
    table = pa.table({"number": pa.array(range(rows)), "text": text.cast(pa.large_string())})
    pq.write_table(table, path, compression="zstd", row_group_size=row_group_size)


def test_a_text_that_stands_in_many_rows_is_unpacked_a_few_rows_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_memory, "BATCH_BYTES", 1 << 20)
    write_same_text(tmp_path / "a.parquet", 100, 100_000)
    batches = list(read_file(tmp_path / "a.parquet", source(Parquet())).batches)
    assert [number for batch in batches for number in batch.rows["number"]] == list(range(100))
    assert max(batch.rows["text"].str.len_bytes().sum() for batch in batches) <= 1 << 20
    assert set(batches[1].rows["text"]) == {"ab" * 50_000}


def test_a_file_that_unpacks_to_far_more_than_its_size_is_refused(tmp_path: Path) -> None:
    write_same_text(tmp_path / "a.parquet", 600, 1_400_000)
    assert (tmp_path / "a.parquet").stat().st_size < 10_000
    with pytest.raises(FormatError, match="unpacks to more than 200 times its size"):
        list(read_file(tmp_path / "a.parquet", source(Parquet())).batches)


def test_one_row_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    write_same_text(tmp_path / "a.parquet", 1, BATCH_BYTES + 2)
    with pytest.raises(FormatError, match="one of its rows unpacks to more than 16 MiB"):
        list(read_file(tmp_path / "a.parquet", source(Parquet())).batches)


def test_a_text_that_stands_in_a_list_many_times_is_refused(tmp_path: Path) -> None:
    class Listed(dy.Schema):
        number = dy.Int64(nullable=False)
        text = dy.List(dy.String(nullable=True), nullable=True)

    rows = [{"number": 1, "text": ["a" * 1_400_000] * 100}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet", compression="zstd")
    listed = Snapshot(
        **{name: getattr(source(Parquet()), name) for name in ("name", "singular", "description", "owner", "key")},
        schema=Listed,
        reader=Parquet(),
    )
    with pytest.raises(FormatError, match="is refused"):
        list(read_file(tmp_path / "a.parquet", listed).batches)


def test_large_objects_of_a_json_array_are_read_a_few_at_a_time(tmp_path: Path) -> None:
    one = '{"number": 1, "text": "' + "a" * 1_000_000 + '"}'
    (tmp_path / "a.json").write_text("[" + ",".join([one] * 60) + "]")
    batches = list(read_file(tmp_path / "a.json", source(Json(paths=PATHS))).batches)
    assert sum(batch.rows.height for batch in batches) == 60
    assert max(batch.rows.height for batch in batches) < 12
