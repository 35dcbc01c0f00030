"""What a database says of itself: the revision of its tables, its time zone, its lake, and whether it only reads.

Here: reading that at once, with nothing imported that a short command would wait for. Not here: what is done where
something is wrong (see `identity`, `lake` and `postgres.migrate`).
"""

from dataclasses import dataclass
from datetime import date

import psycopg2

from dataflow_assets.postgres.brief import connect_briefly
from dataflow_assets.postgres.embedded.cluster import READER

_READ = """
    SELECT version_num, timezone, (SELECT id FROM ledger.lake), (SELECT first_day FROM ledger.lake),
        coalesce((SELECT has_schema_privilege(oid, 'warehouse', 'USAGE') FROM pg_roles WHERE rolname = %s), true),
        current_setting('transaction_read_only')::bool
    FROM ledger.migrations, ledger.identity"""


@dataclass(frozen=True)
class Marks:
    """Revision, time zone, the lake's id and first day (None: none yet).

    And whether the reader, if any, may read, and whether nobody may write.
    """

    revision: str
    timezone: str
    lake: str | None
    first_day: date | None
    is_readable: bool
    is_read_only: bool


def read_marks(url: str) -> Marks | None:
    """The marks of a database; None where it lacks them, or they may not be read.

    Raises:
        WarehouseUnavailableError: the database does not answer.
    """
    with connect_briefly(url) as connection, connection.cursor() as cursor:
        try:
            cursor.execute(_READ, (READER,))
        except psycopg2.ProgrammingError:
            return None
        found = cursor.fetchone()
        return Marks(*found) if found else None
