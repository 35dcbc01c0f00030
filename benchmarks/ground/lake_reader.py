"""One reader of Delta tables, in an environment that has it and nothing of the platform.

    python lake_reader.py NAME TABLE < filters.json > found.json

Here: what each reader is asked for: every row, and how many rows a filter on a column finds. Not here: the table, and
what is expected (see `lake_readers`).
"""

# ruff: noqa: PLC0415
# mypy: ignore-errors

import json
import os
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

KINDS = {"timestamp": datetime.fromisoformat, "date": date.fromisoformat, "decimal": Decimal}


def value_of(kind, given):
    """A value of a filter; the JSON has texts for times and decimals."""
    return KINDS[kind.partition("(")[0]](given) if kind.partition("(")[0] in KINDS else given


def plain(value: Any) -> Any:
    """A value as JSON that says everything: whether it has a time zone, every digit."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat() if value.tzinfo else f"{value.isoformat()} without a zone"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def polars(table):
    import polars as pl

    frame = pl.scan_delta(table)

    def count(column, sign, kind, given):
        value = value_of(kind, given)
        literal = pl.lit(value, pl.Decimal(*sizes(kind))) if kind.startswith("decimal") else pl.lit(value)
        kept = pl.col(column) == literal if sign == "=" else pl.col(column) >= literal
        return frame.filter(kept).select(pl.len()).collect().item()

    return lambda: frame.collect().to_arrow(), count


def sizes(kind):
    return [int(size) for size in kind.partition("(")[2].rstrip(")").split(",")]


def pyarrow(table):
    from deltalake import DeltaTable

    return with_arrow(DeltaTable(table).to_pyarrow_dataset())


def with_arrow(dataset):
    import pyarrow.compute as pc

    def count(column, sign, kind, given):
        field, value = pc.field(column), scalar(dataset.schema.field(column).type, value_of(kind, given))
        return dataset.count_rows(filter=field == value if sign == "=" else field >= value)

    return dataset.to_table, count


def scalar(arrow_type, value):
    import pyarrow as pa

    return pa.scalar(value, arrow_type)


def in_sql(kind, given):
    """A value as standard SQL writes it."""
    if isinstance(given, bool) or kind in ("integer", "float"):
        return str(given).lower() if isinstance(given, bool) else repr(given)
    text = str(given).replace("'", "''")
    types = {"timestamp": "TIMESTAMP WITH TIME ZONE", "date": "DATE"}
    return f"'{text}'" if kind == "text" else f"CAST('{text}' AS {types.get(kind, kind)})"


def with_sql(fetch, source, literal=in_sql):
    """A reader of SQL: `fetch` gives the Arrow table of a statement."""

    def count(column, sign, kind, given):
        statement = f"SELECT count(*) AS n FROM {source} WHERE {column} {sign} {literal(kind, given)}"
        return fetch(statement).column(0)[0].as_py()

    return lambda: fetch(f"SELECT * FROM {source}"), count


def delta_rs_sql(table):
    import pyarrow as pa
    from deltalake import DeltaTable, QueryBuilder

    def literal(kind, given):  # a CAST would count nanoseconds, which there are none of before 1677
        is_instant = kind == "timestamp"
        return (
            f"""arrow_cast('{given}', 'Timestamp(Microsecond, Some("UTC"))')""" if is_instant else in_sql(kind, given)
        )

    engine = QueryBuilder().register("rows", DeltaTable(table))
    return with_sql(lambda statement: pa.table(engine.execute(statement).read_all()), "rows", literal)


def duckdb_over_pyarrow(table):
    import duckdb
    from deltalake import DeltaTable

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.register("rows", DeltaTable(table).to_pyarrow_dataset())
    return with_sql(lambda statement: fetch_duckdb(connection, statement), "rows")


def fetch_duckdb(connection, statement):
    done = connection.execute(statement)
    return done.to_arrow_table() if hasattr(done, "to_arrow_table") else done.fetch_arrow_table()


def duckdb_over_parquet(table):
    import duckdb
    from deltalake import DeltaTable

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    files = DeltaTable(table).file_uris()
    source = f"read_parquet({files}, hive_partitioning = true, union_by_name = true)"
    return with_sql(lambda statement: fetch_duckdb(connection, statement), source)


def duckdb_delta(table):
    import duckdb
    import duckdb_extension_delta

    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    [extension] = Path(duckdb_extension_delta.__path__[0]).rglob("delta.duckdb_extension*")
    connection.execute(f"LOAD '{extension}'")
    connection.execute("SET TimeZone = 'UTC'")
    return with_sql(lambda statement: fetch_duckdb(connection, statement), f"delta_scan('{table}')")


def daft(table):
    import daft

    frame = daft.read_deltalake(table)

    def count(column, sign, kind, given):
        value = value_of(kind, given)
        literal = daft.lit(value)
        if kind.startswith("decimal"):
            literal = literal.cast(daft.DataType.decimal128(*sizes(kind)))
        kept = daft.col(column) == literal if sign == "=" else daft.col(column) >= literal
        return frame.where(kept).count_rows()

    return frame.to_arrow, count


def sail(table):
    from pysail.spark import SparkConnectServer
    from pyspark.sql import SparkSession

    server = SparkConnectServer()
    server.start()
    _, port = server.listening_address
    spark = SparkSession.builder.remote(f"sc://localhost:{port}").getOrCreate()
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    spark.read.format("delta").load(table).createOrReplaceTempView("rows")

    def literal(kind, given):
        text = str(given).replace("\\", "\\\\").replace("'", "\\'")
        if kind == "float":  # a number with a point is a decimal, which the greatest floats do not fit into
            return f"CAST({given!r} AS DOUBLE)"
        kinds = {"timestamp": f"TIMESTAMP '{text}'", "text": f"'{text}'"}
        return kinds.get(kind) or in_sql(kind, given)

    def fetch(statement, _server=server):  # which ends where nothing refers to it
        return spark.sql(statement).toArrow()

    return with_sql(fetch, "rows", literal)


def chdb(table):
    import chdb

    def literal(kind, given):
        text = str(given).replace("\\", "\\\\").replace("'", "\\'")
        if kind == "timestamp":
            return f"toDateTime64('{text.partition('+')[0].replace('T', ' ')}', 6, 'UTC')"
        if kind == "date":
            return f"toDate32('{text}')"
        return f"'{text}'" if kind == "text" else in_sql(kind, given)

    return with_sql(lambda statement: chdb.query(statement, "ArrowTable"), f"deltaLakeLocal('{table}')", literal)


READERS: dict[str, Callable] = {
    "polars": polars,
    "pyarrow": pyarrow,
    "delta-rs SQL": delta_rs_sql,
    "duckdb over pyarrow": duckdb_over_pyarrow,
    "duckdb over parquet": duckdb_over_parquet,
    "duckdb delta": duckdb_delta,
    "daft": daft,
    "sail": sail,
    "chdb": chdb,
}


def tried(work, *arguments):
    """What some work gives, or in one line why it failed."""
    try:
        return work(*arguments)
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def main():
    name, table = sys.argv[1:]
    read, count = READERS[name](table)
    rows = tried(read)
    found = {"counts": [tried(count, *each) for each in json.load(sys.stdin)]}
    if isinstance(rows, str):
        found["error"] = rows
    else:
        found["types"] = {field.name: str(field.type) for field in rows.schema}
        found["rows"] = tried(lambda: [plain(row) for row in rows.to_pylist()])
    json.dump(found, sys.stdout)
    sys.stdout.flush()
    os._exit(0)  # a reader's server would keep the process


if __name__ == "__main__":
    main()
