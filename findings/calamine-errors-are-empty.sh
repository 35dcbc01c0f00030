#!/usr/bin/env bash
# python-calamine gives an Excel error, an empty cell and an empty text as the same empty string.
#
# Versions: python-calamine 0.9.1, xlsxwriter 3.3.1
# Expected: An error cell (#DIV/0!, #N/A) is told from a cell that was left blank: an error value, None, or
# an exception.
# Seen: All are ''. The text "#N/A" that a person typed does come through as text.
# Why it matters: A broken formula in a delivered sheet is a missing value to the reader: nothing can be
# rejected or counted.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(python-calamine==0.9.1 xlsxwriter==3.3.1)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
venv/bin/python <<'PY'
import xlsxwriter
from python_calamine import CalamineWorkbook

with xlsxwriter.Workbook("sheet.xlsx") as book:
    sheet = book.add_worksheet()
    sheet.write(0, 0, "first")
    sheet.write_formula(1, 0, "=1/0", None, "#DIV/0!")
    sheet.write_formula(2, 0, "=NA()", None, "#N/A")
    sheet.write_blank(3, 0, None, book.add_format({"bold": True}))
    sheet.write_string(4, 0, "#N/A")
cells = [row[0] for row in CalamineWorkbook.from_path("sheet.xlsx").get_sheet_by_index(0).to_python()]
print(dict(zip(["header", "=1/0", "=NA()", "blank", "text #N/A"], cells, strict=True)))

assert cells == ["first", "", "", "", "#N/A"], "the behaviour has changed"
PY
