"""The database: the server, the user and the tables.

Here: whether it answers, is new enough, set up safely, and has the tables and columns of this version, those of the
lake included. Not here: the rows in them (see `contents`).
"""

from functools import partial

from dataflow_assets.core.formatting import counted
from dataflow_assets.doctor.finding import Finding
from dataflow_assets.errors import SchemaMismatchError, WarehouseMismatchError
from dataflow_assets.lake.delta.table import rows_table
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.ledger.identity import read_timezone, require_timezone
from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.embedded.cluster import READER
from dataflow_assets.postgres.failures import read_only, shown
from dataflow_assets.postgres.migrate import find_differences, require_current
from dataflow_assets.postgres.pooler import require_sessions
from dataflow_assets.postgres.reading_role import READING_ROLE
from dataflow_assets.postgres.schema_check import require_columns
from dataflow_assets.postgres.sql import execute
from dataflow_assets.settings import Settings
from dataflow_assets.sources import all_sources
from dataflow_assets.warehouse.bootstrap import database_url
from dataflow_assets.warehouse.staleness import find_days_declared_otherwise

_OLDEST_SERVER = 15  # PostgreSQL: MERGE
_ENOUGH_CONNECTIONS = 20  # `dataflow up` held 16 with three runs; commands and answers over HTTP come on top
_LOCKS_OF_A_PART = 3  # of a day or month its tables and indexes, by a statement that names no day
_SERVER = """
    SELECT current_setting('server_version'), current_setting('timezone'),
        current_setting('transaction_read_only')::bool, rolname::text, rolsuper,
        least(
            current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
            nullif(rolconnlimit, -1), nullif(datconnlimit, -1)
        ),
        current_setting('max_locks_per_transaction')::int
            * (current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int),
        (SELECT coalesce(max(parts), 0) FROM (SELECT count(*) AS parts FROM pg_inherits GROUP BY inhparent) AS tables)
    FROM pg_roles, pg_database WHERE rolname = current_user AND datname = current_database()"""
_UTC = ("UTC", "Etc/UTC", "GMT")
_PLAIN_ROLE = "`CREATE ROLE dataflow LOGIN PASSWORD '…'; ALTER DATABASE … OWNER TO dataflow`"


def database(settings: Settings, oldest: int = _OLDEST_SERVER) -> Finding:
    """Whether the database answers and is new enough."""
    url = database_url(settings)
    require_sessions(url)
    with connect(url) as connection:
        [(version, zone, is_read_only, role, is_superuser, connections, room, parts)] = execute(connection, _SERVER)
    said = f"PostgreSQL {version} answers at {shown(url)}."
    if int(version.partition(".")[0]) < oldest:
        return Finding("database", "problem", said, f"Use PostgreSQL {oldest} or a later one.")
    if is_read_only:
        raise read_only(url)
    if connections < _ENOUGH_CONNECTIONS:
        said = f"{said} It lets us have {connections} connections; `dataflow up` with its runs may want more."
        advice = f"Raise max_connections, or the limit of the role or database, to {_ENOUGH_CONNECTIONS} or more."
        return Finding("database", "warning", said, advice)
    if 2 * (locks := parts * _LOCKS_OF_A_PART) > room:
        said = (
            f"{said} A statement over all {parts:,} days and months of a table takes {locks:,} of the {room:,} locks "
            "that it has."
        )
        advice = "Raise max_locks_per_transaction, as to 1024, and restart the server."
        return Finding("database", "warning", said, advice)
    if is_superuser:
        said = f"{said} The role {role} of DATABASE_URL is a superuser: it may read and write files of the server."
        return Finding("database", "warning", said, f"Use a plain role that owns the database: {_PLAIN_ROLE}.")
    if zone not in _UTC:
        said = f"{said} Its sessions are in {zone}, whose time Dagster would take for UTC and end runs that are well."
        return Finding("database", "warning", said, "`dataflow up` is safe; for other Dagster processes set PGTZ=UTC.")
    return Finding("database", "ok", said)


def tables(settings: Settings) -> Finding:
    """Whether the database has the tables of this version of the program, and the role that only reads them."""
    require_current(url := database_url(settings))
    if differing := find_differences(url):
        said = f"They are not as this version of the program has them: {', '.join(differing)}."
        advice = "An early build made them: make the database anew, as docs/how-to/upgrade.md says."
        return Finding("tables", "problem", said, advice)
    said = "They are those of this version of the program."
    with connect(url) as connection:
        [(user, role)] = execute(connection, f"SELECT current_user::text, ({READING_ROLE})")
    if role != READER:
        said = f"{said} Statements of `dataflow query` run as {role or user}, who may read the API's users, too."
        advice = f"As a superuser: `CREATE ROLE {READER}; GRANT {READER} TO {user}`; then `dataflow init-db`."
        return Finding("tables", "warning", said, advice)
    return Finding("tables", "ok", said)


def timezone(settings: Settings) -> Finding:
    """Whether the warehouse was made in the time zone of the settings; a new one is not told of any."""
    url = database_url(settings)
    with connect(url) as connection:
        is_new = read_timezone(connection) is None
    if not is_new:
        require_timezone(url, settings.timezone)
    said = "The warehouse is new." if is_new else f"The days were cut in {settings.timezone}."
    return Finding("time zone", "ok", said)


def columns(settings: Settings) -> Finding:
    """Whether the tables of each source, in the warehouse and in the lake, are as it declares them, in all days."""
    wrong, older, storage = list[str](), list[str](), open_storage(settings)
    with connect(database_url(settings)) as connection:
        for source in all_sources():
            for check in (partial(require_columns, connection, source), rows_table(storage, source).require_declared):
                try:
                    check()
                except (WarehouseMismatchError, SchemaMismatchError) as error:
                    wrong.append(str(error))
            if days := find_days_declared_otherwise(connection, source):
                older.append(f"{counted(len(days), 'day')} from {min(days)} to {max(days)} of warehouse/{source.name}")
    if wrong:
        return Finding("columns", "problem", " ".join(wrong))
    if older:
        said = f"Not loaded again since their source was declared otherwise: {'; '.join(older)}."
        advice = (
            "`dataflow backfill --asset … --from … --to … --only-missing` of each, then a backfill of the answers that "
            "read it; or stop the platform and run `dataflow rebuild`."
        )
        return Finding("columns", "warning", said, advice)
    return Finding("columns", "ok", f"The tables of {len(all_sources())} sources are as declared.")
