"""Files with faults give what the docs say of them, and the rows that are taken from them have exactly these values."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from dataflow_assets_tests.lake.input_fault_files import FAULTS
from dataflow_assets_tests.lake.input_faults import PAGE, Fault, try_out, write_page

ALL = {f"{fault.what} ({fault.reader.label})": fault for faults in FAULTS.values() for fault in faults}
ONE = [{"sku": "a", "name": "b", "price": Decimal(1), "qty": 1, "ratio": 1.0}]
OTHERS = [
    {"sku": name, "name": text, "price": Decimal(1), "qty": 1, "ratio": 1.0} for name, text in (("c", "d"), ("e", "f"))
]
A, RENAMED = [{"sku": "a"}], [{"sku": "a", "name": "b", "qty": 1, "ratio": 1.0}]


def at(year: int, month: int, day: int, *time: int) -> datetime:
    hour, minute, second, microsecond = (*time, 0, 0, 0, 0)[:4]
    return datetime(year, month, day, hour, minute, second, microsecond, UTC)


ROWS: Mapping[str, list[dict[str, Any]]] = {
    "a quote before a value that nothing closes (CSV)": OTHERS,
    "empty values too many at the end (CSV)": ONE,
    "the header again between the rows (CSV)": [*ONE, OTHERS[0]],
    "the header again in another case, where all columns are texts (CSV)": [{"sku": "a", "name": "b"}],
    "a header that is declared to be none (CSV)": [{"sku": "a", "name": "b"}],
    "bytes that the encoding has not (CSV)": [{"sku": "b", "name": "\xe9"}],
    "a line of UTF-8 among others (CSV)": [{"sku": "a", "name": "\xe9"}, {"sku": "b", "name": "\xc3\xa9"}],
    "a key in its own and in another case (JSON)": [{"sku": "a", "qty": 3}],
    "values in a column without a name (a workbook)": A,
    "a whole number that is no float (CSV)": [ONE[0] | {"sku": "c", "name": "d", "ratio": 2.0**53}],
    "an empty list for an object (JSON)": A,
    "a byte order mark, and lines that end in CR LF (CSV)": ONE,
    "UTF-8 under another declared encoding (CSV)": [ONE[0] | {"name": "M\u00fcller"}],
    "characters of Windows in Latin-1 (CSV)": [ONE[0] | {"name": "\u20ac"}],
    "a line `sep=;` before the header (CSV)": [{"sku": "a", "name": "b", "price": Decimal("12.5")}],
    "a declared trailer with the right count (CSV)": ONE,
    "text that is no JSON (JSON)": [{"sku": "a"}, {"sku": "c"}],
    "an array inside an object, as `records` (JSON)": A,
    "a line of another length (fixed-width text)": [{"sku": "a", "qty": 1}],
    "what operating systems put beside the data (CSV)": ONE,
    "quotes, delimiters and line ends behind a declared escape (CSV)": [
        ONE[0] | {"name": 'the "b"'},
        ONE[0] | {"sku": "c", "name": "C:\\new,dir\\"},
        ONE[0] | {"sku": "d", "name": "e\nf"},
    ],
    "a byte order mark before a row, as of files put together (CSV)": [*ONE, OTHERS[0]],
    "line ends of three kinds (CSV)": [*ONE, *OTHERS],
    "several objects on a line (JSON)": [{"sku": "a"}, {"sku": "c", "name": "}{"}],
    "a byte order mark before a line (JSON)": [{"sku": "a"}, {"sku": "c"}],
    "blanks behind the last column (fixed-width text)": [{"sku": "a", "qty": 1}],
    "a hidden sheet before the one with the data (a workbook)": [{"sku": "a", "name": "b"}],
    "a hidden row (a workbook)": [{"sku": "a", "name": "b"}],
    "narrow blanks as thousands marks, declared (CSV)": [ONE[0] | {"price": Decimal("1234.5")}],
    "a cell that is shown as percent (a workbook)": [{"sku": "a", "name": "b", "price": Decimal("0.05")}],
    "a leap second (CSV)": [ONE[0] | {"seen_at": at(2017, 1, 1)}],
    "a time zone that is an offset (Parquet)": [{"sku": "a", "seen_at": at(2025, 12, 31, 10)}],
    "another case, and blanks around names (CSV)": [{"sku": "a", "name": "b"}],
    "a column under another name (CSV)": RENAMED,  # once it is released
    "a column under an alias (CSV)": [RENAMED[0] | {"price": Decimal(2)}],
    "a column that is not there, and no other one (CSV)": RENAMED,
    "a column that one member of an archive lacks and another has (CSV)": [
        ONE[0],
        RENAMED[0] | {"sku": "c", "name": "d"},
    ],  # once it is released
    "a column that a member of an archive without rows lacks (CSV)": ONE,
    "a column twice that nobody reads (CSV)": ONE,
    "a key in another case (JSON)": [{"sku": "a", "qty": 3}],
    "a column under another name (Parquet)": A,
    "a whole number as `3.0` (CSV)": [ONE[0] | {"qty": 3}],
    "all the digits that are declared (CSV)": [
        ONE[0] | {"price": Decimal("99999999999999.9999"), "qty": 9007199254740993}
    ],
    "declared tokens for no value (CSV)": [{"sku": "a", "qty": 1}],
    "`1.234,50` and `31/12/2025`, declared (CSV)": [
        {"sku": "a", "name": "b", "price": Decimal("1234.50"), "valid_on": date(2025, 12, 31)}
    ],
    "whole numbers as floats (Parquet)": [{"sku": "a", "qty": 3}],
    "seconds left out, as Java does (CSV)": [ONE[0] | {"seen_at": at(2025, 12, 31, 10)}],
    "for ever and never (CSV)": [
        ONE[0] | {"seen_at": at(9999, 12, 31, 23, 59, 59)},
        ONE[0] | {"sku": "c", "seen_at": at(1, 1, 1)},
    ],
    "finer than a microsecond (CSV)": [ONE[0] | {"seen_at": at(2025, 12, 31, 10, 0, 0, 123456)}],
    "no zone, where the source names its own (CSV)": [
        {"trip": "a", "began": at(2026, 6, 1, 8), "ended": at(2026, 6, 1, 9)}
    ],
    "equal local times in the hour that clocks repeat (CSV)": [
        {"trip": "a", "began": at(2026, 10, 25, 0, 30), "ended": at(2026, 10, 25, 0, 40)},
        {"trip": "a", "began": at(2026, 10, 25, 1, 30), "ended": at(2026, 10, 25, 1, 40)},
    ],
    "milliseconds since 1970, declared (JSON)": [
        {"sku": "a", "seen_at": at(2025, 11, 20, 10, 0, 0, 123000)},
        {"sku": "b", "seen_at": at(2025, 11, 20, 10)},
    ],
}


@pytest.mark.parametrize("name", ALL)
def test_a_fault_spoils_nothing_but_itself(name: str) -> None:
    assert try_out(ALL[name]).rows == ROWS.get(name, [])


def test_each_row_that_is_expected_is_of_a_fault() -> None:
    assert ROWS.keys() <= ALL.keys()
    assert len(ALL) == sum(map(len, FAULTS.values()))


def test_the_page_of_the_docs_says_what_the_files_give() -> None:
    """Made anew by `python -m dataflow_assets_tests.lake.input_fault_files`."""
    assert write_page(FAULTS) == PAGE.read_text(encoding="utf-8")


def test_a_fault_that_is_none_is_accepted() -> None:
    fault = ALL["too few values (CSV)"]
    sound = Fault("none", fault.reader, fault.content.replace(b"a,b\n", b"a,b,1,1,1,,\n"))
    assert (try_out(sound).rows, try_out(sound).gives) == (ONE, "accepted")
