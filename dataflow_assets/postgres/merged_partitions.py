"""Many partitions of a table made one, so that what reads all of the table opens few.

Here: the statements, within a transaction of the caller's. Not here: which partitions, and replacing rows of what came
of them (see `partitions`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dataflow_assets.errors import LostRowsError
from dataflow_assets.postgres.connection import Connection
from dataflow_assets.postgres.locks import with_lock_retries
from dataflow_assets.postgres.sql import column_list, execute, identifier, literal


@dataclass(frozen=True, kw_only=True)
class MergedPartition:
    """A plain table that takes several values of the column by which its root is partitioned.

    `holds` is SQL that is true of each of its rows, by which the server leaves it out of what cannot find any.
    """

    root: str  # quoted
    schema: str
    table: str
    column: str
    values: Sequence[str]
    holds: str

    @property
    def quoted_table(self) -> str:
        """The table's name for SQL."""
        return identifier(self.schema, self.table)

    @property
    def listed_values(self) -> str:
        """The values for SQL."""
        return ", ".join(map(literal, self.values))


def merge_partitions(
    connection: Connection,
    merged: MergedPartition,
    parts: Sequence[str],
    key: Sequence[str],
    indexes: Mapping[str, str],
    what: str,
) -> None:
    """Put one table in the place of partitions of some of its values.

    Readers see the rows as they were, and wait only while the one takes the place of the others. Who changes rows of
    the partitions waits for the end.

    Args:
        connection: in a transaction that keeps others from replacing rows of any of the values.
        merged: which is not there yet.
        parts: the quoted names of the partitions that are.
        key: the primary key.
        indexes: by column, how its index is kept.
        what: names the partitions to a user.

    Raises:
        LostRowsError: the sums do not hold.
        LockTimeoutError: somebody held the table, or a partition, for too long.
    """
    table, listed = merged.quoted_table, ", ".join(parts)
    with_lock_retries(connection, what, [f"LOCK TABLE {listed} IN SHARE MODE"])
    _copy(connection, merged, what)
    execute(connection, f"ALTER TABLE {table} ADD PRIMARY KEY ({column_list(key)})")
    for column, how in indexes.items():
        execute(connection, f"CREATE INDEX ON {table} USING {how} ({identifier(column)})")
    execute(connection, f"ANALYZE {table}")
    swap = [
        f"LOCK TABLE ONLY {merged.root} IN ACCESS EXCLUSIVE MODE",  # first, as readers do
        f"DROP TABLE {listed}",
        f"ALTER TABLE {merged.root} ATTACH PARTITION {table} FOR VALUES IN ({merged.listed_values})",
        f"ALTER TABLE {table} DROP CONSTRAINT of_partition",
    ]
    with_lock_retries(connection, what, swap)


def _copy(connection: Connection, merged: MergedPartition, what: str) -> None:
    """Make the table, of the rows that the partitions have."""
    table, of_it = merged.quoted_table, f"{identifier(merged.column)} IN ({merged.listed_values})"
    checks = f"CONSTRAINT of_partition CHECK ({of_it}), CONSTRAINT holds CHECK ({merged.holds})"
    execute(connection, f"CREATE TABLE {table} (LIKE {merged.root}, {checks})")
    execute(connection, f"INSERT INTO {table} SELECT * FROM {merged.root} WHERE {of_it}")  # noqa: S608
    counts = [f"(SELECT count(*) FROM {merged.root} WHERE {of_it})", f"(SELECT count(*) FROM {table})"]  # noqa: S608
    [(before, after)] = execute(connection, f"SELECT {', '.join(counts)}")
    if before != after:
        raise LostRowsError(f"{what} has {before} rows, but {after} would be in one table. Nothing was changed.")
