"""The usual case of a snapshot: one dump, newer than all before, changes few rows.

Here: what a newest dump changes, as a pure function of it and the present table, and writing just that. Not
here: any other dump, for which both tables are derived again (see `derive`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from dataflow_assets.lake.delta.dumps import MissingColumns
from dataflow_assets.postgres.arrow import as_declared, in_batches
from dataflow_assets.postgres.connection import Connection
from dataflow_assets.postgres.copy import copy_in, read
from dataflow_assets.postgres.row_ids import ID
from dataflow_assets.postgres.schema import WAREHOUSE, current_table, history_table
from dataflow_assets.postgres.sql import change, column_list, execute, identifier, literal
from dataflow_assets.sources.base import Snapshot
from dataflow_assets.warehouse.snapshots.derive import NOTHING_MISSING
from dataflow_assets.warehouse.snapshots.id_ranges import IdRange

_IS_KNOWN = "is_known|"  # no source has such a column


@dataclass(frozen=True)
class DumpChanges:
    """What a newest dump changes.

    `values`: rows that are new or have other values (`id` Binary, the schema's columns, `delivery`); `returned`:
    keys that were missing and are there again; `gone`: keys that were there and are missing (`id` each).
    """

    values: pl.DataFrame
    returned: pl.DataFrame
    gone: pl.DataFrame


def compare_dump(
    dump: pl.DataFrame, known: pl.DataFrame, source: Snapshot, missing: MissingColumns = NOTHING_MISSING
) -> DumpChanges:
    """Compare a newest dump with the present table; a column that its delivery lacks has the value that is known.

    Args:
        dump: one row per key of the dump: `id` (Binary), the schema's columns and `delivery`.
        known: one row per key ever seen: `id` (Binary), the schema's columns and `missing_since`.
        source: names the columns.
        missing: the columns that deliveries lack.
    """
    columns = source.schema.column_names()
    values = (pl.col(name).alias(f"{name}|known") for name in columns)
    older = known.select(ID, *values, pl.lit(value=True).alias(_IS_KNOWN))
    compared = _with_known_values(dump.join(older, on=ID, how="left"), missing)
    differs = (pl.col(name).ne_missing(pl.col(f"{name}|known")) for name in columns)
    is_changed = pl.any_horizontal(pl.col(_IS_KNOWN).is_null(), *differs)
    was_missing = pl.col("missing_since").is_not_null()
    return DumpChanges(
        values=compared.filter(is_changed).select(dump.columns),
        returned=known.filter(was_missing).join(dump, on=ID, how="semi").select(ID),
        gone=known.filter(~was_missing).join(dump, on=ID, how="anti").select(ID),
    )


def _with_known_values(compared: pl.DataFrame, missing: MissingColumns) -> pl.DataFrame:
    """Rows of a dump, with the value that is known in each column that their delivery lacks."""
    carried = []
    for column in frozenset[str]().union(*missing.values()).intersection(compared.columns):
        deliveries_without = [delivery for delivery, columns in missing.items() if column in columns]
        carried.append(
            pl.when(pl.col("delivery").is_in(deliveries_without))
            .then(f"{column}|known")
            .otherwise(column)
            .alias(column)
        )
    return compared.with_columns(carried)


def read_known(connection: Connection, source: Snapshot, ids: IdRange) -> pl.DataFrame:
    """The present table's rows with ids of a range, as `compare_dump` takes them."""
    table, columns = identifier(WAREHOUSE, current_table(source)), column_list(source.schema.column_names())
    known = read(connection, f"SELECT id, {columns}, missing_since FROM {table} AS old WHERE {ids.scope}")  # noqa: S608
    return as_declared(known, source.schema.create_empty().schema)


def join_changes(parts: Sequence[DumpChanges]) -> DumpChanges:
    """What a dump changes, from what its parts do."""
    return DumpChanges(
        values=pl.concat([part.values for part in parts]),
        returned=pl.concat([part.returned for part in parts]),
        gone=pl.concat([part.gone for part in parts]),
    )


def write_changes(
    connection: Connection, source: Snapshot, found: DumpChanges, *, day: date, newest_before: date
) -> int:
    """Bring both tables of a source from one newest dump to the next; how many rows were written.

    Args:
        connection: where, inside a transaction that holds the source's lock.
        source: what is loaded.
        found: what the dump changes.
        day: the dump's delivery day.
        newest_before: the newest delivery day of the tables as they are.
    """
    current = identifier(WAREHOUSE, current_table(source))
    day_literal, before_literal = literal(day.isoformat()), literal(newest_before.isoformat())
    written = _write_values(connection, source, found.values, day_literal)
    _draft(connection, "draft_returned", current, found.returned)
    _draft(connection, "draft_gone", current, found.gone)
    written += change(
        connection,
        f"UPDATE {current} AS old SET last_seen = NULL, missing_since = NULL "  # noqa: S608
        "FROM draft_returned AS new WHERE old.id = new.id",
    )
    written += change(
        connection,
        f"UPDATE {current} AS old SET last_seen = {before_literal}, missing_since = {day_literal} "  # noqa: S608
        "FROM draft_gone AS new WHERE old.id = new.id",
    )
    return written


def _write_values(connection: Connection, source: Snapshot, values: pl.DataFrame, day: str) -> int:
    """Close the open runs of changed keys, open new ones, and bring the latest values up to date."""
    current = identifier(WAREHOUSE, current_table(source))
    history = identifier(WAREHOUSE, history_table(source))
    names = [*source.schema.column_names(), "delivery"]
    columns = column_list(names)
    new = ", ".join(f"new.{identifier(name)}" for name in names)
    _draft(connection, "draft_values", current, values)
    written = change(
        connection,
        f"UPDATE {history} AS old SET valid_to = {day} FROM draft_values AS new "  # noqa: S608
        "WHERE old.id = new.id AND old.valid_to IS NULL",
    )
    written += change(
        connection,
        f"INSERT INTO {history} (id, valid_from, {columns}) SELECT id, {day}, {columns} FROM draft_values",  # noqa: S608
    )
    return written + change(
        connection,
        f"MERGE INTO {current} AS old USING draft_values AS new ON old.id = new.id "  # noqa: S608
        f"WHEN MATCHED THEN UPDATE SET ({columns}) = ({new}) "
        f"WHEN NOT MATCHED THEN INSERT (id, {columns}, first_seen) VALUES (new.id, {new}, {day})",
    )


def _draft(connection: Connection, name: str, table: str, rows: pl.DataFrame) -> None:
    """A table of this transaction's own that holds rows with columns of another table."""
    like = f"SELECT {column_list(rows.columns)} FROM {table} WITH NO DATA"  # noqa: S608
    execute(connection, f"CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS {like}")
    copy_in(connection, None, name, in_batches(rows))
    execute(connection, f"ANALYZE {name}")
