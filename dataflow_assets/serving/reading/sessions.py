"""Sessions of the database in which a request reads.

Here: connections that are used again, in which nothing can be changed and nothing runs for ever. Not here: what is
read.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from dataflow_assets.postgres.connection import AdbcError, Connection, Connections
from dataflow_assets.postgres.failures import unavailable
from dataflow_assets.postgres.reading_role import READING_ROLE
from dataflow_assets.postgres.sql import execute

LONGEST = 120  # seconds: shorter than a run tries to swap a day that somebody reads

# One statement, as each costs a millisecond. What texts of values say, and literals, must not depend on what the server
# or the database sets. Planned for each parameter anew: a generic plan would lock every day of an event table. The role
# comes last, as it may do little.
_BEGIN = f"""
    SELECT set_config('transaction_read_only', 'on', true), set_config('statement_timeout', '{LONGEST}s', true),
        set_config('plan_cache_mode', 'force_custom_plan', true), set_config('timezone', 'UTC', true),
        set_config('datestyle', 'ISO', true), set_config('extra_float_digits', '1', true),
        set_config('standard_conforming_strings', 'on', true),
        CASE WHEN has_parameter_privilege('temp_file_limit', 'SET')
            THEN set_config('temp_file_limit', '10GB', true) END,
        set_config('role', ({READING_ROLE}), true)"""  # null: the session's own


class Sessions:
    """Sessions in which requests read, each used by one at a time.

    Where the user may, they have a role that only reads; all of them are transactions that only read.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._connections = Connections(url, begin=lambda connection: execute(connection, _BEGIN))

    @contextmanager
    def take(self) -> Iterator[Connection]:
        """A session that nobody else has.

        Raises:
            WarehouseUnavailableError: the server does not answer, or went away meanwhile.
        """
        try:
            with self._connections.take() as connection:
                yield connection
        except AdbcError as error:
            if _is_lost(error):
                raise unavailable(self._url, error) from None
            raise


def _is_lost(error: AdbcError) -> bool:
    """Whether a statement failed because the connection was lost, not for what it says."""
    return not error.sqlstate or error.sqlstate[:2] in ("08", "57")
