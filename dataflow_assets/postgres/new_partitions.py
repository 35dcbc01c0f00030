"""Several partitions that a table never had, made and filled by a few statements for all of them.

With statements for each, the way to the server takes longer than the rows of a small partition do.

Here: from rows to attached partitions, within a transaction of the caller's. Not here: replacing a partition that is
there (see `partitions`), and which rows.
"""

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence

import pyarrow as pa

from dataflow_assets.postgres.connection import Connection
from dataflow_assets.postgres.copy import copy_in
from dataflow_assets.postgres.locks import with_lock_retries
from dataflow_assets.postgres.partitions import ListPartition, attach_aside, create_aside, create_parent, name_aside
from dataflow_assets.postgres.sql import column_list, execute, identifier, literal


def add_partitions(
    connection: Connection,
    partitions: Sequence[ListPartition],
    batches: Iterable[pa.Table],
    key: Sequence[str],
    indexes: Mapping[str, str],
    what: str,
) -> dict[str, int]:
    """Make partitions of a table that has none of them yet; by value, how many rows each has.

    Readers wait for nothing, and see all of them or none.

    Args:
        connection: in a transaction that holds the locks of the partitions.
        partitions: at least one, all of one table.
        batches: the rows of all, with the column by which the table is partitioned.
        key: the primary key, which no two rows of a partition share.
        indexes: by column, how its index is kept.
        what: names the partitions to a user.

    Raises:
        LockTimeoutError: somebody who makes others of the table held it for too long.
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
    attaching = [[*create_parent(partition), *attach_aside(partition, aside)] for partition, aside in asides.items()]
    with_lock_retries(connection, what, [statement for of_one in attaching for statement in of_one])
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
