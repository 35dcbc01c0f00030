"""Event tables: one day at a time is made aside and put in place in one transaction.

Here: making a day's rows, copying them into a table of their own, and the swap. Not here: where the rows
come from (a frame of the lake) and which days are wanted.

`warehouse.streams` is partitioned by `event_day`; each day is itself a partitioned table with one child,
so that a swap locks its own day alone.
"""

import uuid
from dataclasses import dataclass, replace
from datetime import date, timedelta

import polars as pl

from dataflow_assets.core.time_windows import Window
from dataflow_assets.errors import LostRowsError
from dataflow_assets.ledger.event_days import EventDay, read_event_day, write_event_day
from dataflow_assets.postgres.arrow import BATCH_ROWS, to_arrow
from dataflow_assets.postgres.connection import Connection, transaction
from dataflow_assets.postgres.copy import copy_in
from dataflow_assets.postgres.locks import advisory_lock, with_lock_retries
from dataflow_assets.postgres.row_ids import row_id, typed_columns
from dataflow_assets.postgres.schema import DAYS, WAREHOUSE
from dataflow_assets.postgres.schema_check import explain_missing_values, require_columns
from dataflow_assets.postgres.sql import execute, has_table, identifier, literal
from dataflow_assets.sources.base import Events


@dataclass(frozen=True, kw_only=True)
class DayLoad:
    """What loading one day did. accepted = rows + superseded.

    `accepted` counts the day's rows in the lake, `rows` those in the table, `superseded` the rows whose key a
    later row has. Left alone was a table that holds what this version of the lake gave (`is_known`) or a newer one
    (`is_stale`).
    """

    day: date
    accepted: int
    rows: int
    superseded: int
    is_known: bool = False
    is_stale: bool = False


def day_rows(lake: pl.LazyFrame, source: Events, day: date, timezone: str) -> pl.LazyFrame:
    """The lake rows of one business day.

    Args:
        lake: rows of the lake table: the schema's columns, `event_date` (UTC date) and where each came from.
        source: names the event time.
        day: the day, cut in `timezone`.
        timezone: the business time zone.
    """
    window = Window.of_day(day, timezone)
    dates = pl.col("event_date").is_between(window.start.date(), (window.end - timedelta(microseconds=1)).date())
    happened = pl.col(source.event_time)
    return lake.filter(dates, happened >= window.start, happened < window.end)


def load_day(
    connection: Connection, source: Events, lake: pl.LazyFrame, lake_version: int, day: date, timezone: str
) -> DayLoad:
    """Put the lake's rows of one day in place of the table's, unless those were made from this version.

    Rows stream from the lake to the database: memory follows the batch, not the day.

    Args:
        connection: where; the day is one transaction of its own.
        source: what is loaded.
        lake: rows of the lake table at `lake_version`.
        lake_version: the version that was read; a day made from a newer one is left alone.
        day: the business day.
        timezone: the business time zone.

    Raises:
        LostRowsError: the sums do not hold.
        LockTimeoutError: a reader held the day for too long.
        WarehouseMismatchError: the table does not have the declared columns.
        SchemaMismatchError: rows of the lake lack a value that the declaration requires.
    """
    if known := _known(connection, source, day, lake_version):
        return known
    rows = day_rows(lake, source, day, timezone)
    deliveries = rows.group_by("delivery_day", "object", "delivery").len().collect(engine="streaming")
    accepted = int(deliveries.get_column("len").sum())
    with explain_missing_values(f"{source.name} of {day}"), transaction(connection):
        require_columns(connection, source)
        leaf = _copy_aside(connection, source, day, rows, deliveries)
        superseded = _set_key(connection, leaf, deliveries)
        load = DayLoad(day=day, accepted=accepted, rows=_count(connection, leaf), superseded=superseded)
        if load.accepted != load.rows + load.superseded:
            raise LostRowsError(
                f"{source.name} of {day} has {accepted} rows in the lake, but {load.rows} would be in the table and "
                f"{superseded} are superseded. Nothing was changed."
            )
        execute(connection, f"ANALYZE {leaf}")
        return _swap_in(connection, source, leaf, load, lake_version)


def _known(connection: Connection, source: Events, day: date, lake_version: int) -> DayLoad | None:
    """What loading the day from this version gave, where its rows are still there; None where they are not."""
    table = identifier(DAYS, _day_table(source, day))
    with transaction(connection):
        made_from, load = _recorded(connection, source, day)
        if made_from != (lake_version, source.fingerprint) or not has_table(connection, table):
            return None
        return replace(load, is_known=True) if _count(connection, table) == load.rows else None


def _recorded(connection: Connection, source: Events, day: date) -> tuple[tuple[int, str], DayLoad]:
    """The lake's version and the declaration that the day was last made from, and what that gave."""
    made = read_event_day(connection, source, day)
    load = DayLoad(day=day, accepted=made.accepted, rows=made.rows, superseded=made.superseded)
    return (made.lake_version, made.declaration), load


def _count(connection: Connection, table: str) -> int:
    return int(execute(connection, f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608


def _copy_aside(connection: Connection, source: Events, day: date, rows: pl.LazyFrame, deliveries: pl.DataFrame) -> str:
    """Copy the rows into a table that no reader sees; its quoted name."""
    name = f"{_day_table(source, day)}_{uuid.uuid4().hex[:8]}"
    leaf, parent = identifier(DAYS, name), identifier(WAREHOUSE, source.name)
    is_of_day = f"CHECK (event_day = {literal(day.isoformat())})"
    # Its rows never change and it gets its statistics below: autovacuum would only stand in the way of the swap.
    storage = "WITH (autovacuum_enabled = false)"
    execute(connection, f"CREATE TABLE {leaf} (LIKE {parent}, CONSTRAINT of_day {is_of_day}) {storage}")
    # What all rows have alike is not sent with each.
    alike = {"event_day": day.isoformat()}
    if deliveries.height == 1:
        alike["delivery"] = str(deliveries.item(0, "delivery"))
    defaults = ", ".join(f"ALTER {column} SET DEFAULT {literal(value)}" for column, value in alike.items())
    execute(connection, f"ALTER TABLE {leaf} {defaults}")
    key = row_id(rows.collect_schema(), source.key)
    sent = [column for column in ("delivery", "position") if column not in alike]
    keyed = rows.select(key, *typed_columns(source), *sent)
    copy_in(connection, DAYS, name, map(to_arrow, keyed.collect_batches(chunk_size=BATCH_ROWS)))
    return leaf


def _set_key(connection: Connection, leaf: str, deliveries: pl.DataFrame) -> int:
    """Give the table its key; of rows with equal keys only the latest stays. How many did not.

    The latest is read off the deliveries: delivery day, then object key, then position. Only where the key cannot
    be made is it asked which rows share one, for most days have none.
    """
    in_order = deliveries.sort("delivery_day", "object").get_column("delivery")
    turns = ", ".join(f"({delivery}::bigint, {turn})" for turn, delivery in enumerate(in_order)) or "(0::bigint, 0)"
    execute(
        connection,
        f"""
        DO $$
        DECLARE superseded bigint := 0;
        BEGIN
            BEGIN
                ALTER TABLE {leaf} ADD PRIMARY KEY (id);
            EXCEPTION WHEN unique_violation THEN
                DELETE FROM {leaf} WHERE ctid IN (
                    SELECT place FROM (
                        SELECT place, row_number() OVER (PARTITION BY id ORDER BY turn DESC, position DESC) AS number
                        FROM (SELECT ctid AS place, id, delivery, position FROM {leaf}) AS rows
                        JOIN (SELECT id FROM {leaf} GROUP BY id HAVING count(*) > 1) AS doubled USING (id)
                        JOIN (VALUES {turns}) AS turns (delivery, turn) USING (delivery)) AS placed
                    WHERE number > 1);
                GET DIAGNOSTICS superseded = ROW_COUNT;
                ALTER TABLE {leaf} ADD PRIMARY KEY (id);
            END;
            PERFORM set_config('dataflow.superseded', superseded::text, true);
        END $$""",  # noqa: S608
    )
    return int(execute(connection, "SELECT current_setting('dataflow.superseded')")[0][0])


def _swap_in(connection: Connection, source: Events, leaf: str, load: DayLoad, lake_version: int) -> DayLoad:
    """Put the copied table in the day's place, unless the day was made from a newer version of the lake."""
    day = load.day.isoformat()
    advisory_lock(connection, source.name, day)
    (made_from_version, _), recorded = _recorded(connection, source, load.day)
    if made_from_version > lake_version:
        execute(connection, f"DROP TABLE {leaf}")
        return replace(recorded, is_stale=True)
    with_lock_retries(connection, f"{source.name} of {day}", _attaching(connection, source, load.day, leaf))
    made = EventDay(
        lake_version=lake_version,
        declaration=source.fingerprint,
        accepted=load.accepted,
        rows=load.rows,
        superseded=load.superseded,
    )
    write_event_day(connection, source, load.day, made)
    return load


def _attaching(connection: Connection, source: Events, day: date, leaf: str) -> list[str]:
    """The statements that put a table in the day's place."""
    root, parent = identifier(WAREHOUSE, source.name), identifier(DAYS, _day_table(source, day))
    of_day = f"FOR VALUES IN ({literal(day.isoformat())})"
    attach = [f"ALTER TABLE {parent} ATTACH PARTITION {leaf} {of_day}", f"ALTER TABLE {leaf} DROP CONSTRAINT of_day"]
    if not has_table(connection, parent):
        create = f"CREATE TABLE {parent} (LIKE {root}) PARTITION BY LIST (event_day)"
        # First to the root, while it is empty: the server would look at every row.
        return [create, f"ALTER TABLE {root} ATTACH PARTITION {parent} {of_day}", *attach]
    older = execute(
        connection, "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = to_regclass($1)", parent
    )
    remove = [f"ALTER TABLE {parent} DETACH PARTITION {table}; DROP TABLE {table}" for (table,) in older]
    return [*remove, *attach]


def _day_table(source: Events, day: date) -> str:
    return f"{source.name}_{day:%Y%m%d}"
