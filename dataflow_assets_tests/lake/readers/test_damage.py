"""Valid files that are damaged at random bytes: the sums hold, and no good row is lost."""

from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from dataflow_assets.lake.delta.table import read_rejects, rows_table
from dataflow_assets.lake.ingest import ingest
from dataflow_assets.lake.readers import Reject, read_file
from dataflow_assets.lake.readers.csv import reader as csv
from dataflow_assets.lake.readers.csv import records
from dataflow_assets.landing.storage import Storage
from dataflow_assets.sources import find_source
from dataflow_assets_tests.examples import examples
from dataflow_assets_tests.landing.stores import FIRST_DAY, land

USERS, BOOKS = find_source("users"), find_source("books")
HEAD = "email,first_name,last_name\n"
PLAIN = [f"{number}@x,First {number},Last {number}\n" for number in range(20)]
QUOTED = [
    f'{number}@x,"First, {number}","Last\n""{number}"""\n' if number % 3 else PLAIN[number] for number in range(20)
]
OBJECTS = [f'{{"name": "Book {number}", "pages": {number + 1}, "author": "A \\"B\\""}}' for number in range(20)]

Row = tuple[str, str, str]

FILES, TAKEN_IN = examples(2), examples(1 / 2)
PLACE = st.integers(0, 1_000)
REMOVED = st.integers(0, 6)
PUT = st.one_of(st.binary(max_size=6), st.text('",\n\r\0 ax{}[]:', max_size=4).map(str.encode))


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is read some lines at a time."""
    monkeypatch.setattr(csv, "_LARGEST_PART", 400)
    monkeypatch.setattr(csv, "_SMALLEST_PART", 100)
    return tmp_path / "users.csv"


def _damaged(whole: bytes, place: int, removed: int, put: bytes) -> tuple[bytes, range]:
    """A file with some bytes taken away and others put there, and the places, before, of what has changed."""
    place = min(place, len(whole))
    return whole[:place] + put + whole[place + removed :], range(place, min(place + removed, len(whole)))


def _untouched(lines: list[str], damage: range) -> list[str]:
    """The lines that the damage did not reach: neither their bytes, nor the line breaks before and behind them."""
    kept, start = [], len(HEAD)
    for line in lines:
        end = start + len(line.encode())
        if end < damage.start or damage.stop < start:
            kept.append(line)
        start = end
    return kept


def _read(file: Path) -> tuple[list[Row], list[Reject]]:
    """The accepted rows and the rejects; the sum holds."""
    batches = list(read_file(file, USERS).batches)
    rows = [row[:3] for batch in batches for row in batch.rows.rows()]
    rejects = [reject for batch in batches for reject in batch.rejects]
    assert sum(batch.delivered for batch in batches) == len(rows) + len(rejects)
    return rows, rejects


def _row(line: str) -> Row:
    number = line.partition("@")[0]
    if '"' in line:
        return f"{number}@x", f"First, {number}", f'Last\n"{number}"'
    return f"{number}@x", f"First {number}", f"Last {number}"


@FILES
@given(PLACE, REMOVED, PUT.filter(lambda put: b'"' not in put))
@example(100, 0, b"\r")
@example(100, 1, b"\xff")
@example(0, 0, b"\x28\xb5\x2f\xfd")
def test_without_quotes_every_row_that_was_not_touched_is_in(file: Path, place: int, removed: int, put: bytes) -> None:
    content, damage = _damaged((HEAD + "".join(PLAIN)).encode(), len(HEAD) + place, removed, put)
    file.write_bytes(content)
    rows, _ = _read(file)
    assert [line for line in _untouched(PLAIN, damage) if _row(line) not in rows] == []


@FILES
@given(PLACE, REMOVED, PUT)
@example(100, 0, b'"')
@example(100, 0, b',"')
@example(44, 1, b"\r")
@example(42, 2, b"\x80")
def test_with_quotes_every_row_that_was_not_touched_is_in(file: Path, place: int, removed: int, put: bytes) -> None:
    content, damage = _damaged((HEAD + "".join(QUOTED)).encode(), len(HEAD) + place, removed, put)
    file.write_bytes(content)
    rows, _ = _read(file)
    assert [line for line in _untouched(QUOTED, damage) if _row(line) not in rows] == []


@FILES
@given(st.sets(st.integers(0, 39), min_size=1, max_size=6), st.integers(0, 20), st.booleans())
@example({10}, 0, False)
@example({10, 12}, 0, False)
@example({10, 20}, 0, True)
def test_stray_quotes_cost_their_own_lines_alone(
    file: Path, damaged: set[int], column: int, before_comma: bool
) -> None:
    """Each line is counted once, and each that a quote was put into is a reject, or a row that holds the quote.

    Two lines that stray quotes make into one sound record are one, as nothing tells it from a line's end in quotes.
    """
    assume(all(number + 1 not in damaged for number in damaged))
    lines = [f"{number}@x,First {number},Last {number}" for number in range(40)]
    for number in damaged:
        place = lines[number].index(",") if before_comma and number % 2 else min(column, len(lines[number]))
        lines[number] = lines[number][:place] + '"' + lines[number][place:]
    file.write_text(HEAD + "\n".join(lines) + "\n")
    rows, rejects = _read(file)
    assert len(rows) + len(rejects) == 40
    assert {int(row[0].replace('"', "").partition("@")[0]) for row in rows} >= set(range(40)) - damaged
    assert all('"' in reject.raw and "\n" not in reject.raw for reject in rejects)


def test_one_stray_quote_in_a_large_file_costs_one_line(tmp_path: Path) -> None:
    lines = [f"{number}@x,First {number},Last {number}\n" for number in range(100_000)]
    lines[9] = '"' + lines[9]
    (tmp_path / "users.csv").write_text(HEAD + "".join(lines))
    rows, rejects = _read(tmp_path / "users.csv")
    assert (len(rows), [(reject.line, reject.code) for reject in rejects]) == (99_999, [(11, "csv.unclosed_quote")])


def test_lines_that_all_leave_a_quote_open_are_read_in_bounded_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each would have the rest of the file read again; from a limit on a line is read by itself."""
    monkeypatch.setattr(records, "_MOST_READ_AGAIN", 100_000)
    lines = ['b",x,"d\n', *(f"{number}@x,A,Aa\n" for number in range(3))] * 5_000
    (tmp_path / "users.csv").write_text(HEAD + "".join(lines))
    rows, rejects = _read(tmp_path / "users.csv")
    assert (len(rows), len(rejects)) == (15_000, 5_000)


@TAKEN_IN
@given(PLACE, REMOVED, PUT, st.sampled_from(["csv", "json"]))
@example(0, 0, b"\x80", "json")
def test_whatever_was_damaged_the_lake_holds_what_the_sums_say(
    local_storage: Storage, place: int, removed: int, put: bytes, form: str
) -> None:
    """The header among it: the file may be refused, which is one reject."""
    source = USERS if form == "csv" else BOOKS
    whole = HEAD + "".join(QUOTED) if form == "csv" else "[" + ",\n".join(OBJECTS) + "]"
    content, _ = _damaged(whole.encode(), place, removed, put)
    delivery = land(local_storage, source, f"a.{form}", content)
    taken = ingest(local_storage, source, delivery.object, "UTC", first_day=FIRST_DAY)
    assert taken is not None
    held = rows_table(local_storage, source).scan().collect().height
    rejects = read_rejects(local_storage, source.name)
    assert taken.delivered == taken.accepted + taken.rejected
    assert (taken.accepted, taken.rejected) == (held, len(rejects))
    assert (taken.refusal is None) or (held, len(rejects)) == (0, 1)
