#!/usr/bin/env bash
# Polars reads 36:00 hours of an Excel sheet, as text, as a moment of the year 1900, or of 1904 by the workbook.
#
# Versions: polars 2.1.0, fastexcel 0.21.0, openpyxl 3.1.5, xlsxwriter 3.3.1
# Expected: A text of hours, or the cell's number 1.5. Polars' page of `read_excel` speaks of no date that the cell does
# not have; with inference it makes a duration of 36 hours, and `engine="openpyxl"` reads 08:30 as a Time.
# Seen: Read as text (`infer_schema_length=0`), 36:00 is "1900-01-01 12:00:00" and 08:30 "1899-12-31 08:30:00"; a
# workbook that counts from 1904 gives other days for the same cells. With inference 08:30 is such a Datetime, too.
# Why it matters: Such text casts to a timestamp without a reject, and hours cannot be told from dates. Declare
# durations and times as pl.Duration for the reader.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(polars==2.1.0 fastexcel==0.21.0 openpyxl==3.1.5 xlsxwriter==3.3.1)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
venv/bin/python <<'PY'
from datetime import datetime, time, timedelta

import polars as pl
import xlsxwriter

worked, start = timedelta(hours=36), time(8, 30)


def write(name, **options):
    with xlsxwriter.Workbook(name, options) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["worked", "start"])
        sheet.write_datetime(1, 0, worked, book.add_format({"num_format": "[h]:mm"}))
        sheet.write_datetime(1, 1, start, book.add_format({"num_format": "hh:mm"}))


write("1900.xlsx")
write("1904.xlsx", date_1904=True)
as_text = [pl.read_excel(name, infer_schema_length=0).row(0) for name in ("1900.xlsx", "1904.xlsx")]
inferred, by_openpyxl = pl.read_excel("1900.xlsx").row(0), pl.read_excel("1900.xlsx", engine="openpyxl").row(0)
declared = pl.read_excel("1904.xlsx", schema_overrides={"worked": pl.Duration, "start": pl.Duration}).row(0)
print("as text:", *as_text)
print("inferred:", inferred, "| by openpyxl:", by_openpyxl, "| declared:", declared)

assert by_openpyxl == (worked, start)
assert declared == (worked, timedelta(hours=8, minutes=30))
assert as_text[0] == ("1900-01-01 12:00:00", "1899-12-31 08:30:00"), "the behaviour has changed"
assert as_text[1] == ("1904-01-02 12:00:00", "1904-01-01 08:30:00"), "the behaviour has changed"
assert inferred == (worked, datetime(1899, 12, 31, 8, 30)), "the behaviour has changed"
PY
