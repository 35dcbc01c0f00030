"""Bringing a database to the present tables, by Alembic.

Here: running the migrations and making the views that follow from the tables. Not here: the migrations
themselves (see `migrations/versions`), and the description of the tables (see `tables`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from dataflow_assets.errors import WarehouseMismatchError
from dataflow_assets.warehouse.database import connect, execute, has_table, identifier, literal, shown, unavailable
from dataflow_assets.warehouse.tables import CURRENT, WAREHOUSE

VERSION_TABLE = "migrations"
_DEPENDENT_OBJECTS, _NO_VALUE = "2BP01", "23502"
_LOCK = sa.text("SELECT pg_advisory_xact_lock(hashtextextended('migrations', 0))")


def upgrade(url: str) -> bool:
    """Run the migrations that the database lacks, all in one transaction; whether there were any.

    Raises:
        WarehouseUnavailableError: the database does not answer.
        WarehouseMismatchError: the database was made by a newer version of this program, somebody's own view reads
            a view that must be made again, or rows have no value of a column that is required now.
    """
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg2"), poolclass=sa.NullPool)
    try:
        with engine.begin() as connection:
            return _upgrade(connection)
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
    except sa.exc.InternalError as error:
        if getattr(error.orig, "pgcode", None) != _DEPENDENT_OBJECTS:
            raise
        raise WarehouseMismatchError(
            f"The tables of the database at {shown(url)} cannot be changed while others depend on them "
            f"({' '.join(str(error.orig).splitlines()[:2])}); drop those, upgrade, and make them again."
        ) from None


def require_current(url: str) -> None:
    """Check that a database has the tables of this version of the program, changing nothing.

    Raises:
        WarehouseUnavailableError: the database does not answer.
        WarehouseMismatchError: it has other tables, or none.
    """
    head = ScriptDirectory.from_config(configuration()).get_current_head()
    with connect(url) as connection:
        table = identifier(WAREHOUSE, VERSION_TABLE)
        now = execute(connection, f"SELECT version_num FROM {table}") if has_table(connection, table) else []  # noqa: S608
    if now != [(head,)]:
        raise WarehouseMismatchError(
            f"The database at {shown(url)} does not have the present tables; run `dataflow init-db` first."
        )


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
        connection, opts={"version_table": VERSION_TABLE, "version_table_schema": WAREHOUSE}
    ).get_current_revision()
    if now == head:
        return False
    if now is not None and now not in {script.revision for script in scripts.walk_revisions()}:
        raise WarehouseMismatchError(
            f"The database is at revision {now}, which this version of the program does not know; update the program."
        )
    command.upgrade(config, "head")
    return True


@contextmanager
def views_aside(connection: sa.Connection) -> Iterator[None]:
    """Drop the views of the snapshot tables, and make them again of what the block leaves.

    A column that a view reads cannot be changed.
    """
    for source in _snapshot_tables(connection):
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {identifier(WAREHOUSE, source)}")
    yield
    for source, columns in _snapshot_tables(connection).items():
        connection.exec_driver_sql(_view(source, columns))


def _snapshot_tables(connection: sa.Connection) -> dict[str, list[str]]:
    """The snapshot sources that the database has tables of, by name, and the columns of the table behind the view."""
    inspector = sa.inspect(connection)
    tables = [table for table in inspector.get_table_names(WAREHOUSE) if table.endswith(CURRENT)]
    return {
        table.removesuffix(CURRENT): [column["name"] for column in inspector.get_columns(table, WAREHOUSE)]
        for table in tables
    }


def _view(source: str, columns: list[str]) -> str:
    """The table of a snapshot source as people query it: present keys were last seen on the newest day."""
    newest = f"SELECT newest_day FROM {identifier(WAREHOUSE, 'snapshots')} WHERE source = {literal(source)}"  # noqa: S608
    shown_as = {"last_seen": f"coalesce(last_seen, ({newest})) AS last_seen"}
    selected = ", ".join(shown_as.get(column, identifier(column)) for column in columns)
    view, table = identifier(WAREHOUSE, source), identifier(WAREHOUSE, source + CURRENT)
    return f"CREATE VIEW {view} AS SELECT {selected} FROM {table}"  # noqa: S608
