"""What Alembic runs: by `upgrade`, and by `alembic revision --autogenerate` after a declaration changed.

This file puts the declarations of all layers together; it is run by Alembic and imported by no one.
"""

from contextlib import nullcontext

import sqlalchemy as sa
from alembic import context
from alembic.operations.ops import MigrationScript
from alembic.runtime.migration import MigrationContext

from dataflow_assets.analytics import all_answers
from dataflow_assets.ledger import tables as ledger_tables
from dataflow_assets.postgres.migrate import VERSION_TABLE
from dataflow_assets.postgres.schema import ANALYTICS, LEDGER, SCHEMAS, SERVING, WAREHOUSE, build_metadata
from dataflow_assets.postgres.server import database_url
from dataflow_assets.postgres.views import views_aside
from dataflow_assets.serving import tables as serving_tables
from dataflow_assets.settings import load_settings
from dataflow_assets.sources import all_sources


def _run(connection: sa.Connection) -> None:
    for schema in SCHEMAS if _changes_tables() else ():
        connection.execute(sa.schema.CreateSchema(schema, if_not_exists=True))
    answers = {answer.name: answer.schema for answer in all_answers()}
    context.configure(
        connection=connection,
        target_metadata=[build_metadata(all_sources(), answers), ledger_tables.METADATA, serving_tables.METADATA],
        include_schemas=True,
        include_name=lambda name, kind, _: kind != "schema" or name in (WAREHOUSE, ANALYTICS, LEDGER, SERVING),
        version_table=VERSION_TABLE,
        version_table_schema=LEDGER,
        process_revision_directives=_number,
    )
    with context.begin_transaction(), views_aside(connection) if _changes_tables() else nullcontext():
        context.run_migrations()


def _changes_tables() -> bool:
    """Whether this is `upgrade` or `downgrade`; what only compares has no revision to go to."""
    try:
        context.get_revision_argument()
    except KeyError:
        return False
    return True


def _number(_context: MigrationContext, _revision: object, scripts: list[MigrationScript]) -> None:
    """Revisions are numbered: 0001, 0002, …"""
    newest = context.script.get_current_head()
    for script in scripts:
        script.rev_id = f"{int(newest or 0) + 1:04}"


def _main() -> None:
    given = context.config.attributes.get("connection")
    if given is not None:
        _run(given)
        return
    with sa.create_engine(database_url(load_settings())).begin() as connection:
        _run(connection)


_main()
