"""Replacing a slice of a table in one atomic step: the one way by which rows of a partition come into the database.

Here: the guard against a stale overwrite, and two ways to replace a slice within a transaction of the caller's.
`replace_rows` deletes the slice's rows and copies new ones: readers wait for nothing and see either. `copy_aside`,
`make_unique` and `swap_in` put a table of its own in the place of a partition, so that nothing is deleted row by row:
readers of other partitions wait for nothing. Not here: which rows, and where it is recorded what they were made from.
"""

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from dataflow_assets.postgres.connection import Connection
from dataflow_assets.postgres.copy import copy_in
from dataflow_assets.postgres.locks import advisory_lock, with_lock_retries
from dataflow_assets.postgres.sql import column_list, execute, has_table, identifier, literal

Versions = Mapping[str, int]  # by input: the version of it that was read, which only grows
_SUPERSEDED = "dataflow.superseded"


@dataclass(frozen=True)
class TableSlice:
    """The rows of a table for which a condition holds, which are replaced at once.

    `name` tells it from the table's other slices. `where` is SQL over the table's columns.
    """

    schema: str
    table: str
    name: str = ""
    where: str = "true"

    @property
    def quoted_table(self) -> str:
        """The table's name for SQL."""
        return identifier(self.schema, self.table)


@dataclass(frozen=True, kw_only=True)
class ListPartition:
    """One value of the column by which a table is partitioned: a partitioned table with one child.

    A swap of the child locks this value alone; with the child below the root, readers of all values would wait.
    `holds` is SQL that is true of each of its rows, by which the server leaves it out of what cannot find any.
    """

    root: str  # quoted
    schema: str  # of the tables of the partitions
    table: str  # this partition's
    column: str
    value: str
    holds: str

    @property
    def parent(self) -> str:
        """The quoted name of this partition's table."""
        return identifier(self.schema, self.table)

    @property
    def condition(self) -> str:
        """SQL that is true of its rows."""
        return f"{identifier(self.column)} = {literal(self.value)}"

    @property
    def bound(self) -> str:
        """The rows that the partition takes, as SQL says it."""
        return f"FOR VALUES IN ({literal(self.value)})"


def may_replace(
    connection: Connection, name: Sequence[str], made_from: Versions, recorded: Callable[[], Versions]
) -> bool:
    """Keep others from replacing the slice until the transaction ends; whether nothing newer stands in it.

    Args:
        connection: in the transaction that replaces the slice.
        name: of the slice, for the lock.
        made_from: what the new rows were made from.
        recorded: reads what the present rows were made from, under the lock.
    """
    advisory_lock(connection, *name)
    return not is_newer(recorded(), made_from)


def is_newer(recorded: Versions, made_from: Versions) -> bool:
    """Whether a slice was made from a newer version of any input than other rows of it were."""
    return any(version > made_from.get(source, version) for source, version in recorded.items())


def count_rows(connection: Connection, counted: TableSlice) -> int:
    """How many rows a slice has."""
    statement = f"SELECT count(*) FROM {counted.quoted_table} WHERE {counted.where}"  # noqa: S608
    return int(execute(connection, statement)[0][0])


def replace_rows(connection: Connection, replaced: TableSlice, batches: Iterable[pa.Table]) -> None:
    """Put rows in place of those of a slice.

    Args:
        connection: in a transaction that holds the slice's lock.
        replaced: the slice.
        batches: the new rows; a column that they lack gets its default.
    """
    execute(connection, f"DELETE FROM {replaced.quoted_table} WHERE {replaced.where}")  # noqa: S608
    copy_in(connection, replaced.schema, replaced.table, batches)


def replace_keyed_rows(
    connection: Connection, replaced: TableSlice, batches: Iterable[pa.Table], key: Sequence[str], latest: Sequence[str]
) -> int:
    """Put rows in place of those of a slice, of rows with equal keys only the latest; how many were superseded.

    Args:
        connection: in a transaction that holds the slice's lock.
        replaced: the slice.
        batches: the new rows.
        key: the columns that identify a row within the slice, never null.
        latest: the columns by which a row is later than another; where they are equal, the later in order is.
    """
    aside = f"aside_{uuid.uuid4().hex[:8]}"
    table, position = identifier(aside), identifier(f"position_{aside}")
    execute(connection, f"CREATE TEMPORARY TABLE {table} (LIKE {replaced.quoted_table}) ON COMMIT DROP")
    columns = [name for (name,) in execute(connection, _COLUMNS, table)]
    execute(connection, f"ALTER TABLE {table} ADD {position} bigint GENERATED ALWAYS AS IDENTITY")
    copy_in(connection, None, aside, batches)
    order = [f"{identifier(column)} DESC NULLS LAST" for column in latest]
    superseded = make_unique(connection, table, key, [*order, f"{position} DESC"])
    execute(connection, f"DELETE FROM {replaced.quoted_table} WHERE {replaced.where}")  # noqa: S608
    listed = column_list(columns)
    selected = f"SELECT {listed} FROM {table} ORDER BY {position}"  # noqa: S608
    execute(connection, f"INSERT INTO {replaced.quoted_table} ({listed}) {selected}")
    execute(connection, f"DROP TABLE {table}")
    return superseded


_COLUMNS = (
    "SELECT attname::text FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped "
    "AND attgenerated = '' ORDER BY attnum"
)


def copy_aside(
    connection: Connection, partition: ListPartition, batches: Iterable[pa.Table], alike: Mapping[str, str]
) -> str:
    """Copy rows into a table that no reader sees; its quoted name.

    Args:
        connection: in the transaction that swaps the table in.
        partition: whose rows they are.
        batches: the rows, without the columns of `alike`.
        alike: by column, the value that all rows have alike, which is not sent with each.
    """
    name = name_aside(partition)
    aside = identifier(partition.schema, name)
    execute(connection, create_aside(partition, aside))
    values = {partition.column: partition.value, **alike}
    defaults = (f"ALTER {identifier(column)} SET DEFAULT {literal(value)}" for column, value in values.items())
    execute(connection, f"ALTER TABLE {aside} {', '.join(defaults)}")
    copy_in(connection, partition.schema, name, batches)
    return aside


def name_aside(partition: ListPartition) -> str:
    """A name for a table of a partition's rows, which no other table has."""
    return f"{partition.table}_{uuid.uuid4().hex[:8]}"


def create_aside(partition: ListPartition, aside: str) -> str:
    """The statement that makes a table of that quoted name for a partition's rows, which no reader sees."""
    # Its rows never change and it gets its statistics from us: autovacuum would only stand in the way of the swap.
    storage = "WITH (autovacuum_enabled = false)"
    checks = f"CONSTRAINT of_partition CHECK ({partition.condition}), CONSTRAINT holds CHECK ({partition.holds})"
    return f"CREATE TABLE {aside} (LIKE {partition.root}, {checks}) {storage}"


def make_unique(connection: Connection, table: str, key: Sequence[str], latest_first: Sequence[str]) -> int:
    """Give a table its primary key; of rows with equal keys only the latest stays. How many did not.

    Only where the key cannot be made is it asked which rows share one, for most tables have none.

    Args:
        connection: in the transaction that made the table.
        table: its quoted name.
        key: its columns, never null.
        latest_first: SQL that orders rows of one key, the one that stays first.
    """
    keys = column_list(key)
    statement = f"""
        DO $$
        DECLARE superseded bigint := 0;
        BEGIN
            BEGIN
                ALTER TABLE {table} ADD PRIMARY KEY ({keys});
            EXCEPTION WHEN unique_violation THEN
                -- In a publication FOR ALL TABLES no row can be deleted unless something identifies it.
                ALTER TABLE {table} REPLICA IDENTITY FULL;
                DELETE FROM {table} WHERE ctid IN (
                    SELECT place FROM (
                        SELECT rows.ctid AS place,
                            row_number() OVER (PARTITION BY {keys} ORDER BY {", ".join(latest_first)}) AS number
                        FROM {table} AS rows
                        JOIN (SELECT {keys} FROM {table} GROUP BY {keys} HAVING count(*) > 1) AS doubled USING ({keys})
                    ) AS placed WHERE number > 1);
                GET DIAGNOSTICS superseded = ROW_COUNT;
                ALTER TABLE {table} ADD PRIMARY KEY ({keys}), REPLICA IDENTITY DEFAULT;
            END;
            PERFORM set_config('{_SUPERSEDED}', superseded::text, true);
        END $$"""  # noqa: S608
    execute(connection, statement)
    return int(execute(connection, f"SELECT current_setting('{_SUPERSEDED}')")[0][0])


def swap_in(connection: Connection, partition: ListPartition, aside: str, what: str) -> None:
    """Put a table that was copied aside in the partition's place. A first one only attaches.

    Args:
        connection: in a transaction that holds the partition's lock.
        partition: whose rows the table holds.
        aside: the table's quoted name.
        what: names the partition to a user.

    Raises:
        LockTimeoutError: a reader held the partition for too long.
    """
    with_lock_retries(connection, what, _attaching(connection, partition, aside))


def replace_within(connection: Connection, partition: ListPartition, table: str, aside: str, what: str) -> None:
    """Put the rows of a table that was copied aside in place of the partition's in a table that has others too.

    Readers wait for nothing and see either.

    Args:
        connection: in a transaction that holds the partition's lock.
        partition: whose rows they are.
        table: the quoted name of the table that has them.
        aside: the copied table's quoted name; it is dropped.
        what: names the partition to a user.

    Raises:
        LockTimeoutError: somebody who changes the table held it for too long.
    """
    replacing = [
        f"DELETE FROM {table} WHERE {partition.condition}",  # noqa: S608
        f"INSERT INTO {table} SELECT * FROM {aside}",  # noqa: S608
        f"DROP TABLE {aside}",
    ]
    with_lock_retries(connection, what, replacing)


def _attaching(connection: Connection, partition: ListPartition, aside: str) -> list[str]:
    """The statements that put a table in the partition's place."""
    parent = partition.parent
    if not has_table(connection, parent):
        return [*create_parent(partition), *attach_aside(partition, aside)]
    older = execute(
        connection, "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = to_regclass($1)", parent
    )
    # To detach it first reads every constraint of the database, of which each day has some.
    remove = [f"DROP TABLE {table}" for (table,) in older]
    return [*remove, *attach_aside(partition, aside)]


def create_parent(partition: ListPartition) -> list[str]:
    """The statements that make the partitioned table of a partition that was never there."""
    # First to the root, while it is empty: the server would look at every row.
    return [
        f"CREATE TABLE {partition.parent} (LIKE {partition.root}) PARTITION BY LIST ({identifier(partition.column)})",
        f"ALTER TABLE {partition.root} ATTACH PARTITION {partition.parent} {partition.bound}",
    ]


def attach_aside(partition: ListPartition, aside: str) -> list[str]:
    """The statements that make a table the child of the partition's, which has none."""
    return [
        f"ALTER TABLE {partition.parent} ATTACH PARTITION {aside} {partition.bound}",
        f"ALTER TABLE {aside} DROP CONSTRAINT of_partition",
    ]
