#!/usr/bin/env bash
# Polars drops text from a column of an Excel sheet that begins with numbers, and whole rows with it.
#
# Versions: polars 2.1.0, fastexcel 0.21.0, xlsxwriter 3.3.1
# Expected: A column of 1, 2, "n/a" is text, or an error: three rows are far fewer than infer_schema_length.
# Seen: The column is Int64 and the text is null; where it was the row's last value the row is gone: three
# rows in the sheet, two in the frame. Read with infer_schema_length=0 all three are there.
# Why it matters: A sheet that a person filled in loses rows without a count; read sheets as text and cast
# with rejects.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(polars==2.1.0 fastexcel==0.21.0 xlsxwriter==3.3.1)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
venv/bin/python <<'PY'
import polars as pl
import xlsxwriter

with xlsxwriter.Workbook("sheet.xlsx") as book:
    book.add_worksheet("one").write_column(0, 0, ["amount", 1, 2, "n/a"])
    two = book.add_worksheet("two")
    two.write_column(0, 0, ["id", "a", "b", "c"])
    two.write_column(0, 1, ["amount", 1, 2, "n/a"])

inferred = pl.read_excel("sheet.xlsx", sheet_name="one")["amount"].to_list()
beside = pl.read_excel("sheet.xlsx", sheet_name="two")["amount"].to_list()
as_text = pl.read_excel("sheet.xlsx", sheet_name="one", infer_schema_length=0)["amount"].to_list()
print("one column:", inferred, "| beside an id:", beside, "| as text:", as_text)

assert inferred == [1, 2], "the behaviour has changed"
assert beside == [1, 2, None], "the behaviour has changed"
assert as_text == ["1", "2", "n/a"]
PY
