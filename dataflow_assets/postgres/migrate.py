"""Bringing a database to the present tables, by Alembic.

Here: running the migrations. Not here: the migrations themselves (see `migrations/versions`), the description of the
tables (see `schema`), and the views that follow from them (see `views`).
"""

import time
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from dataflow_assets.errors import WarehouseMismatchError
from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.failures import shown, unavailable
from dataflow_assets.postgres.grants import grant_reading
from dataflow_assets.postgres.locks import SESSION, held_by
from dataflow_assets.postgres.revisions import newest_revision
from dataflow_assets.postgres.schema import ANALYTICS, LEDGER, SCHEMAS, SERVING, WAREHOUSE
from dataflow_assets.postgres.sql import execute, has_table, identifier, literal

VERSION_TABLE = "migrations"
_DEPENDENT_OBJECTS, _NO_VALUE, _LOCKED = "2BP01", "23502", "55P03"
_EXISTS, _FORBIDDEN = ("42P07", "42710"), "42501"  # a table or a type; what the role may not do
_LOCK_SECONDS = 60.0  # in which the tables must be free for a moment
_PAUSE = 0.2  # seconds between two tries, for those who wait behind
# Shorter than the second after which the server ends one of two sessions that wait for each other, maybe a load.
_LOCK_TIMEOUT = sa.text("SET LOCAL lock_timeout = '800ms'")
# Of a table in a publication, such as one FOR ALL TABLES, no row can be deleted unless something identifies it.
_WITHOUT_IDENTITY = """
    SELECT format('ALTER TABLE %%s REPLICA IDENTITY FULL', oid::regclass) FROM pg_class
    WHERE relnamespace::regnamespace::text = ANY (%s) AND relkind = 'r' AND relreplident = 'd'
        AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = pg_class.oid AND indisprimary)"""
_LOCK = sa.text("SELECT pg_advisory_xact_lock(hashtextextended('migrations', 0))")


def upgrade(url: str) -> bool:
    """Run the migrations that the database lacks, all in one transaction; whether there were any.

    It begins between two loads, which wait for its end, and keeps nobody waiting for more than a moment before.

    Raises:
        WarehouseUnavailableError: the database does not answer.
        LockTimeoutError: the tables were never free; it names who holds them.
        WarehouseMismatchError: the database was made by a newer version of this program, has tables of somebody else's
            under the same names, somebody's own view reads a view that must be made again, or rows have no value of a
            column that is required now.
    """
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg2"), poolclass=sa.NullPool)
    try:
        return _between_loads(engine)
    except sa.exc.OperationalError as error:
        raise unavailable(url, error.orig or error) from None
    except sa.exc.IntegrityError as error:
        if getattr(error.orig, "pgcode", None) != _NO_VALUE:
            raise
        raise WarehouseMismatchError(
            f"The tables of the database at {shown(url)} have rows without a value of a column that is required now "
            f"({str(error.orig).strip()}). Nothing was changed: declare it as nullable and generate the migration "
            "again; require it once every file with a value of it has been loaded."
        ) from None
    except sa.exc.ProgrammingError as error:
        raise _not_ours(url, error) from None
    except sa.exc.InternalError as error:
        if getattr(error.orig, "pgcode", None) != _DEPENDENT_OBJECTS:
            raise
        raise WarehouseMismatchError(
            f"The tables of the database at {shown(url)} cannot be changed while others depend on them "
            f"({' '.join(str(error.orig).splitlines()[:2])}); drop those, upgrade, and make them again."
        ) from None


def _not_ours(url: str, error: sa.exc.ProgrammingError) -> Exception:
    """What is wrong with a database that the tables cannot be made in; the error itself where it is another."""
    said, code = str(error.orig).strip().partition("\n")[0], getattr(error.orig, "pgcode", None)
    if code in _EXISTS:
        return WarehouseMismatchError(
            f"The database at {shown(url)} holds what this program has not made and wants to make ({said}). Nothing "
            "was changed: rename that or move it to another schema, or name an empty database."
        )
    if code == _FORBIDDEN:
        return WarehouseMismatchError(
            f"The role of the database at {shown(url)} may not make the tables ({said}). Nothing was changed: let it "
            "own the database."
        )
    return error


def _between_loads(engine: sa.Engine) -> bool:
    """Try until nobody holds a lock on a table, as loads and readers do."""
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            with engine.begin() as connection:
                return _upgrade(connection)
        except sa.exc.OperationalError as error:
            if getattr(error.orig, "pgcode", None) != _LOCKED:
                raise
        if time.monotonic() > deadline:
            raise held_by("A table that is to be changed", _holders(engine))
        time.sleep(_PAUSE)


def _holders(engine: sa.Engine) -> list[str]:
    """The sessions that hold locks on tables."""
    with engine.connect() as connection:
        tables = ", ".join(f"{literal(table)}::regclass" for table in _tables(connection))
        found = connection.exec_driver_sql(
            f"SELECT {SESSION.replace('%', '%%')} FROM pg_stat_activity "  # noqa: S608
            "WHERE datname = current_database() AND pid <> pg_backend_pid() "
            f"AND pid IN (SELECT pid FROM pg_locks WHERE relation IN ({tables}) AND granted) ORDER BY xact_start, pid"
        )
        return list(found.scalars())


def require_current(url: str) -> None:
    """Check that a database has the tables of this version of the program, changing nothing.

    Raises:
        WarehouseUnavailableError: the database does not answer.
        WarehouseMismatchError: it has other tables, or none.
    """
    head = newest_revision()
    with connect(url) as connection:
        table = identifier(LEDGER, VERSION_TABLE)
        now = execute(connection, f"SELECT version_num FROM {table}") if has_table(connection, table) else []  # noqa: S608
    if now != [(head,)]:
        raise WarehouseMismatchError(
            f"The database at {shown(url)} does not have the present tables; run `dataflow init-db` first."
        )


def write_revision(message: str) -> Path | None:
    """Write the migration that brings the database of the settings to what is declared now; None where it is that."""
    script = command.revision(configuration(), message=message, autogenerate=True)
    return Path(script.path) if script and not isinstance(script, list) else None


def configuration(connection: sa.Connection | None = None) -> Config:
    """Alembic's configuration for our migrations."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: sa.Connection) -> bool:
    config = configuration(connection)
    scripts = ScriptDirectory.from_config(config)
    head = scripts.get_current_head()
    connection.execute(_LOCK)
    now = MigrationContext.configure(
        connection, opts={"version_table": VERSION_TABLE, "version_table_schema": LEDGER}
    ).get_current_revision()
    if now == head:
        grant_reading(connection)
        return False
    if now is None and sa.inspect(connection).has_table(VERSION_TABLE, WAREHOUSE):
        raise WarehouseMismatchError(
            "The database was made before the platform kept its records in a schema `ledger`, and cannot be upgraded. "
            "Nothing was changed: name an empty database, and run `dataflow init-db` and `dataflow rebuild`, which "
            "makes the records, the warehouse and the answers anew from the lake."
        )
    if now is not None and now not in {script.revision for script in scripts.walk_revisions()}:
        raise WarehouseMismatchError(
            f"The database is at revision {now}, which this version of the program does not know; update the program."
        )
    _lock_tables(connection)
    command.upgrade(config, "head")
    for statement in connection.exec_driver_sql(_WITHOUT_IDENTITY, (list(SCHEMAS),)).scalars().all():
        connection.exec_driver_sql(statement)
    grant_reading(connection)
    return True


def _lock_tables(connection: sa.Connection) -> None:
    """Take the locks of all tables before anything is done, and wait for none of them for long."""
    connection.execute(_LOCK_TIMEOUT)
    # A load holds the table that it belongs to, so that those of the days, which are many, need no lock.
    if tables := _tables(connection):
        connection.exec_driver_sql(f"LOCK TABLE {', '.join(f'ONLY {table}' for table in tables)}")


def _tables(connection: sa.Connection) -> list[str]:
    """The quoted names of the tables that the database has."""
    names_in = sa.inspect(connection).get_table_names
    schemas = (WAREHOUSE, ANALYTICS, LEDGER, SERVING)
    return [identifier(schema, table) for schema in schemas for table in names_in(schema)]
