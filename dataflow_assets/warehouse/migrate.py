"""Bringing a database to the present tables, by Alembic.

Here: running the migrations and making the views that follow from the tables. Not here: the migrations
themselves (see `migrations/versions`), and the description of the tables (see `tables`).
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from dataflow_assets.errors import WarehouseMismatchError
from dataflow_assets.sources import all_sources
from dataflow_assets.sources.declaration import Snapshot
from dataflow_assets.warehouse.database import column_list, connect, execute, identifier, literal, shown, unavailable
from dataflow_assets.warehouse.tables import WAREHOUSE, current_table

VERSION_TABLE = "migrations"
_LOCK = sa.text("SELECT pg_advisory_xact_lock(hashtextextended('migrations', 0))")


def upgrade(url: str) -> bool:
    """Run the migrations that the database lacks, all in one transaction; whether there were any.

    Raises:
        WarehouseUnavailableError: the database does not answer.
        WarehouseMismatchError: the database was made by a newer version of this program.
    """
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg2"), poolclass=sa.NullPool)
    try:
        with engine.begin() as connection:
            return _upgrade(connection)
    except sa.exc.OperationalError as error:
        raise unavailable(url, error) from None


def require_current(url: str) -> None:
    """Check that a database has the tables of this version of the program, changing nothing.

    Raises:
        WarehouseUnavailableError: the database does not answer.
        WarehouseMismatchError: it has other tables, or none.
    """
    head = ScriptDirectory.from_config(configuration()).get_current_head()
    with connect(url) as connection:
        table = identifier(WAREHOUSE, VERSION_TABLE)
        exists = execute(connection, "SELECT 1 WHERE to_regclass($1) IS NOT NULL", table)
        now = execute(connection, f"SELECT version_num FROM {table}") if exists else []  # noqa: S608
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
    # A column that a view reads cannot be changed: the views go first and are made again.
    snapshots = [source for source in all_sources() if isinstance(source, Snapshot)]
    for source in snapshots:
        connection.execute(sa.text(f"DROP VIEW IF EXISTS {identifier(WAREHOUSE, source.name)}"))
    command.upgrade(config, "head")
    for source in snapshots:
        connection.execute(sa.text(_view(source)))
    return True


def _view(source: Snapshot) -> str:
    """The table of a snapshot source as people query it: present keys were last seen on the newest day."""
    columns = column_list(["id", *source.schema.column_names(), "delivery", "first_seen"])
    newest = f"SELECT newest_day FROM {identifier(WAREHOUSE, 'snapshots')} WHERE source = {literal(source.name)}"  # noqa: S608
    return (
        f"CREATE VIEW {identifier(WAREHOUSE, source.name)} AS "  # noqa: S608
        f"SELECT {columns}, coalesce(last_seen, ({newest})) AS last_seen, missing_since "
        f"FROM {identifier(WAREHOUSE, current_table(source))}"
    )
