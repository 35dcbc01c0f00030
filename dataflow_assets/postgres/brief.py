"""Brief connections, for a statement or two.

One is open at once. An ADBC connection, by which rows come and go in bulk, first reads every type of the database: two
for each table, and so for each day.

Here: opening one. Not here: statements.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
from psycopg2 import extensions

from dataflow_assets.postgres.failures import unavailable


@contextmanager
def connect_briefly(url: str, application_name: str | None = None) -> Iterator[extensions.connection]:
    """A connection of psycopg2, which is closed, and what was done rolled back, at the end of the block.

    Raises:
        WarehouseUnavailableError: naming the server that does not answer, without its password.
    """
    try:
        connection = psycopg2.connect(url, client_encoding="UTF8", application_name=application_name)
    except psycopg2.OperationalError as error:
        raise unavailable(url, error) from None
    try:
        yield connection
    finally:
        connection.close()
