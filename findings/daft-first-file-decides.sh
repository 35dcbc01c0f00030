#!/usr/bin/env bash
# Daft reads every file with the columns and types of the first one, and makes the values fit.
#
# Versions: daft 0.7.26, pyarrow 25.0.1
# Expected: The same total whatever the order of the files, or an error: Daft documents that a schema is inferred, and
# nothing of values that do not have its types.
# Seen: Where the first file has whole amounts, 3.7 and 4.2 of the next one are 3 and 4 from Parquet and JSON, and null
# from CSV. A number beyond 32 bits is null, too, and a column of the next file alone is not there. Within one file of
# CSV or JSON the same happens to the rows that come after the sample for the schema.
# Why it matters: A total is too low, by how the files are ordered (a wildcard gives them as the folder lists them), with
# no error. Give `schema` with each read.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(daft==0.7.26 pyarrow==25.0.1)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
export DAFT_ANALYTICS_ENABLED=0 DO_NOT_TRACK=true DAFT_PROGRESS_BAR=0
venv/bin/python <<'PY'
import json

import daft
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq


def write(name, rows):
    table = pa.Table.from_pylist(rows)
    pq.write_table(table, f"{name}.parquet")
    pyarrow.csv.write_csv(table.select(["id", "amount"]), f"{name}.csv")
    with open(f"{name}.json", "w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def read(kind, *names, **options):
    return getattr(daft, f"read_{kind}")([f"{name}.{kind}" for name in names], **options).to_pydict()


write("whole", [{"id": 1, "amount": 5}, {"id": 2, "amount": 6}])
write("later", [{"id": 3, "amount": 3.7, "note": "late"}, {"id": 4, "amount": 4.2, "note": None}])
write("sample", [{"id": number, "amount": 5} for number in range(200_000)] + [{"id": 7, "amount": 3.7}])
pq.write_table(pa.table({"count": pa.array([1], pa.int32())}), "narrow.parquet")
pq.write_table(pa.table({"count": [3_000_000_000]}), "wide.parquet")

kinds = "parquet", "json", "csv"
forward = {kind: read(kind, "whole", "later") for kind in kinds}
amounts = [found["amount"] for found in forward.values()]
backward = [read(kind, "later", "whole")["amount"] for kind in ("parquet", "csv")]
declared = [read(kind, "whole", "later", schema={"amount": daft.DataType.float64()})["amount"] for kind in kinds]
last = [read(kind, "sample")["amount"][-1] for kind in ("json", "csv")]
counts = read("parquet", "narrow", "wide")["count"]
print("whole amounts first, from Parquet, JSON and CSV:", *amounts, "| columns of Parquet:", *forward["parquet"])
print("whole amounts last, from Parquet and CSV:", *backward, "| with a schema:", *declared)
print("3.7 after the sample, from JSON and CSV:", *last, "| 1 and 3000000000 from Parquet:", counts)

assert backward == [[3.7, 4.2, 5, 6]] * 2 and declared == [[5, 6, 3.7, 4.2]] * 3, (backward, declared)
assert amounts == [[5, 6, 3, 4], [5, 6, 3, 4], [5, 6, None, None]], "the behaviour has changed"
assert ("note" in forward["parquet"], last, counts) == (False, [3, None], [1, None]), "the behaviour has changed"
PY
