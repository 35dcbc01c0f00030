"""Several partitions of a table, made and filled by a few statements for all of them.

With statements for each, the way to the server takes longer than the rows of a small partition do.

Here: from rows to partitions in place, within a transaction of the caller's. Not here: replacing one of any size (see
`partitions`), and which rows.
"""

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence

import pyarrow as pa

from dataflow_assets.postgres.connection import Connection
from dataflow_assets.postgres.copy import copy_in
from dataflow_assets.postgres.locks import with_lock_retries
from dataflow_assets.postgres.partitions import ListPartition, attach_aside, create_aside, create_parent, name_aside
from dataflow_assets.postgres.sql import column_list, execute, identifier, literal


def replace_partitions(
    connection: Connection,
    partitions: Sequence[ListPartition],
    batches: Iterable[pa.Table],
    key: Sequence[str],
    indexes: Mapping[str, str],
    what: str,
) -> dict[str, int]:
    """Put partitions of a table in the place of those that it has of them; by value, how many rows each has.

    Readers see all of them as they were or all as they are. None of one waits because another one is being read.

    Args:
        connection: in a transaction that holds the locks of the partitions.
        partitions: at least one, all of one table.
        batches: the rows of all, with the column by which the table is partitioned.
        key: the primary key, which no two rows of a partition share.
        indexes: by column, how its index is kept.
        what: names the partitions to a user.

    Raises:
        LockTimeoutError: a reader held one of them, or somebody who makes others the table, for too long.
    """
    staged = f"staged_{uuid.uuid4().hex[:8]}"
    execute(connection, f"CREATE TEMPORARY TABLE {identifier(staged)} (LIKE {partitions[0].root}) ON COMMIT DROP")
    copy_in(connection, None, staged, batches)
    asides = {partition: identifier(partition.schema, name_aside(partition)) for partition in partitions}
    filling = [
        statement
        for partition, aside in asides.items()
        for statement in _filling(partition, aside, identifier(staged), key, indexes)
    ]
    execute(connection, f"DO $$ BEGIN {'; '.join(filling)}; END $$")
    counting = (f"SELECT {literal(one.value)}, count(*) FROM {aside}" for one, aside in asides.items())  # noqa: S608
    counted = dict(execute(connection, " UNION ALL ".join(counting)))
    with_lock_retries(connection, what, list(_putting(asides, _find_present(connection, partitions))))
    return counted


def _filling(
    partition: ListPartition, aside: str, staged: str, key: Sequence[str], indexes: Mapping[str, str]
) -> Iterator[str]:
    """The statements that make a partition's table, of its rows among those that are staged."""
    yield create_aside(partition, aside)
    yield f"INSERT INTO {aside} SELECT * FROM {staged} WHERE {partition.condition}"  # noqa: S608
    yield f"ALTER TABLE {aside} ADD PRIMARY KEY ({column_list(key)})"
    yield from (f"CREATE INDEX ON {aside} USING {how} ({identifier(column)})" for column, how in indexes.items())
    yield f"ANALYZE {aside}"


def _find_present(connection: Connection, partitions: Sequence[ListPartition]) -> dict[str, list[str]]:
    """The tables of the partitions that there are, each with the quoted names of its children."""
    found: dict[str, list[str]] = {}
    for table, child in execute(connection, _CHILDREN, partitions[0].schema, [one.table for one in partitions]):
        found.setdefault(table, []).extend([child] if child else [])
    return found


_CHILDREN = """
    SELECT parent.relname::text, inhrelid::regclass::text
    FROM pg_class AS parent LEFT JOIN pg_inherits ON inhparent = parent.oid
    WHERE relnamespace = to_regnamespace(quote_ident($1)) AND relname = ANY ($2)"""


def _putting(asides: Mapping[ListPartition, str], present: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """The statements that put tables in the place of their partitions."""
    if replaced := [partition.parent for partition in asides if partition.table in present]:
        # All or none of them: who waited for one would keep the readers of others waiting.
        yield f"LOCK TABLE {', '.join(replaced)} IN ACCESS EXCLUSIVE MODE NOWAIT"
    for partition, aside in asides.items():
        if partition.table not in present:
            yield from create_parent(partition)
        for child in present.get(partition.table, ()):
            yield f"DROP TABLE {child}"  # without detaching it first, see `partitions`
        yield from attach_aside(partition, aside)
