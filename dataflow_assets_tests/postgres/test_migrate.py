"""The database has exactly the tables that the declarations describe."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import dataframely as dy
import psycopg2
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext

from dataflow_assets.analytics import all_answers
from dataflow_assets.errors import WarehouseMismatchError
from dataflow_assets.lake.delta.dumps import read_dumps
from dataflow_assets.lake.delta.table import rows_table
from dataflow_assets.lake.ingest import ingest
from dataflow_assets.landing.storage import Storage
from dataflow_assets.ledger import tables
from dataflow_assets.postgres import migrate
from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.migrate import VERSION_TABLE, configuration, require_current, upgrade
from dataflow_assets.postgres.schema import ANALYTICS, LEDGER, WAREHOUSE, build_metadata
from dataflow_assets.postgres.sql import execute
from dataflow_assets.sources import all_sources, streams, users
from dataflow_assets.sources.base import Events, Snapshot, Source
from dataflow_assets.warehouse.answers import load_answer
from dataflow_assets.warehouse.events import load_day
from dataflow_assets.warehouse.scan import scan_source
from dataflow_assets.warehouse.snapshots import load_snapshot
from dataflow_assets_tests.conftest import REPOSITORY
from dataflow_assets_tests.landing.stores import FIRST_DAY, land, local_storage
from dataflow_assets_tests.warehouse.builders import (
    AUTHORS,
    DAY,
    METERS,
    PAYMENTS,
    READINGS,
    SHOPS,
    STREAMS,
    ask,
    complete,
    dump,
    minutes,
    sessions,
    together,
    wait_until_blocked,
)

__all__ = ["local_storage"]

SNAPSHOTS = [source.name for source in all_sources() if isinstance(source, Snapshot)]
COLUMNS = """
    SELECT table_schema, table_name, column_name, data_type, is_nullable FROM information_schema.columns
    WHERE table_schema IN ('warehouse', 'analytics', 'ledger') ORDER BY table_schema, table_name, ordinal_position"""


@contextmanager
def connection_to(url: str) -> Iterator[sa.Connection]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        yield connection


def differences(url: str, sources: Sequence[Source]) -> list[Any]:
    """What Alembic would change for these sources."""
    with connection_to(url) as connection:
        options = {
            "include_schemas": True,
            "include_name": lambda name, kind, _: kind != "schema" or name in (WAREHOUSE, ANALYTICS, LEDGER),
            "version_table": VERSION_TABLE,
            "version_table_schema": LEDGER,
        }
        context = MigrationContext.configure(connection, opts=options)
        answers = {answer.name: answer.schema for answer in all_answers()}
        metadata = build_metadata(sources, answers)
        for table in tables.METADATA.sorted_tables:
            table.to_metadata(metadata)
        return list(compare_metadata(context, metadata))


def run_alembic(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Alembic's own command line, as a developer runs it."""
    return subprocess.run(
        [sys.executable, "-m", "alembic", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )


def configured(folder: Path) -> Config:
    """The configuration of Alembic in the repository; new migrations lie in a folder of their own."""
    config = Config(toml_file=REPOSITORY / "pyproject.toml")
    scripts = configuration().get_main_option("script_location")
    config.set_main_option("version_locations", f"{scripts}/versions {folder}")
    config.set_main_option("path_separator", "space")
    return config


def generate(url: str, folder: Path, message: str) -> Path:
    """Generate the migration that the declarations ask for, as a developer does."""
    with connection_to(url) as connection:
        config = configured(folder)
        config.attributes["connection"] = connection
        command.revision(config, message, autogenerate=True, version_path=str(folder), head="head")
    [made] = folder.glob(f"*_{message.lower().replace(' ', '_')}.py")
    return made


def load_something(url: str) -> None:
    answer = all_answers()[0]
    with connect(url) as connection:
        load_day(connection, STREAMS, sessions(minutes(DAY, 3)).lazy(), 1, DAY, "UTC")
        rows = dump({"King": "American"})
        load_snapshot(connection, AUTHORS, rows.lazy(), 1, complete(rows))
        load_answer(connection, answer.name, answer.grain, DAY, answer.schema.sample(2), {})


def test_an_empty_database_gets_the_tables_once(empty_database_url: str) -> None:
    assert upgrade(empty_database_url) is True
    assert upgrade(empty_database_url) is False
    require_current(empty_database_url)
    assert differences(empty_database_url, all_sources()) == []


def test_the_short_scheme_is_known(empty_database_url: str) -> None:
    assert upgrade(empty_database_url.replace("postgresql://", "postgres://")) is True


def test_nothing_drifts_when_days_and_data_come(database_url: str) -> None:
    load_something(database_url)
    assert differences(database_url, all_sources()) == []
    with connection_to(database_url) as connection:
        command.check(configuration(connection))


def test_what_was_changed_by_hand_is_found(database_url: str) -> None:
    ask(database_url, "ALTER TABLE warehouse.streams ADD COLUMN extra int")
    assert [found[0] for found in differences(database_url, all_sources())] == ["remove_column"]


def test_a_comparison_leaves_the_views_alone(database_url: str) -> None:
    views = "SELECT oid, relname FROM pg_class WHERE relkind = 'v' AND relnamespace = 'warehouse'::regnamespace"
    before = ask(database_url, views)
    with connection_to(database_url) as connection:
        command.check(configuration(connection))
    assert len(before) == len(SNAPSHOTS)
    assert ask(database_url, views) == before


def test_down_to_nothing_and_up_again_gives_the_same_tables(database_url: str) -> None:
    before = ask(database_url, COLUMNS)
    load_something(database_url)
    with connection_to(database_url) as connection:
        command.downgrade(configuration(connection), "base")
    left = ask(database_url, "SELECT DISTINCT table_schema || '.' || table_name FROM information_schema.tables "
               "WHERE table_schema IN ('warehouse', 'warehouse_days', 'analytics', 'ledger')")  # fmt: skip
    assert left == [(f"{LEDGER}.{VERSION_TABLE}",)]
    with pytest.raises(WarehouseMismatchError):
        require_current(database_url)
    with connection_to(database_url) as connection:
        command.upgrade(configuration(connection), "head")
    require_current(database_url)
    assert ask(database_url, COLUMNS) == before
    load_something(database_url)


def test_upgrades_at_the_same_time_are_one(empty_database_url: str) -> None:
    done = [future.result() for future in together(*[lambda: upgrade(empty_database_url)] * 3)]
    assert sorted(done) == [False, False, True]


def test_a_second_process_waits_for_the_first_upgrade(empty_database_url: str) -> None:
    program = "import sys; from dataflow_assets.postgres.migrate import upgrade; print(upgrade(sys.argv[1]))"
    first = psycopg2.connect(empty_database_url)
    with first, first.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('migrations', 0))")
        processes = [
            subprocess.Popen([sys.executable, "-c", program, empty_database_url], stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        wait_until_blocked(empty_database_url, 2)
    first.close()
    assert sorted(process.communicate(timeout=300)[0].strip() for process in processes) == ["False", "True"]


def test_a_failed_upgrade_leaves_nothing(empty_database_url: str) -> None:
    ask(empty_database_url, "CREATE SCHEMA warehouse; CREATE TABLE warehouse.users_history ()")
    with pytest.raises(WarehouseMismatchError, match="already exists"):
        upgrade(empty_database_url)
    assert ask(
        empty_database_url, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'warehouse'"
    ) == [("users_history",)]


def test_a_database_of_a_newer_program_is_refused(database_url: str) -> None:
    ask(database_url, "UPDATE ledger.migrations SET version_num = '9999'")
    with pytest.raises(WarehouseMismatchError, match=r"9999.*update the program"):
        upgrade(database_url)
    with pytest.raises(WarehouseMismatchError, match="init-db"):
        require_current(database_url)


def test_a_database_of_an_earlier_build_is_refused_with_what_to_do(empty_database_url: str) -> None:
    ask(empty_database_url, "CREATE SCHEMA warehouse CREATE TABLE migrations (version_num text)")
    with pytest.raises(WarehouseMismatchError, match=r"name an empty database.*`dataflow init-db`.*`dataflow rebuild`"):
        upgrade(empty_database_url)
    assert ask(empty_database_url, "SELECT to_regclass('ledger.migrations')") == [(None,)]


def test_tables_of_somebody_else_are_named_and_stay(empty_database_url: str) -> None:
    with psycopg2.connect(empty_database_url) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA warehouse CREATE TABLE streams (mine int)")
    with pytest.raises(WarehouseMismatchError, match=r'relation "streams" already exists.*name an empty database'):
        upgrade(empty_database_url)
    with connect(empty_database_url) as found:
        assert execute(found, "SELECT count(*) FROM warehouse.streams") == [(0,)]


def test_an_empty_database_is_not_current(empty_database_url: str) -> None:
    with pytest.raises(WarehouseMismatchError, match="init-db"):
        require_current(empty_database_url)
    assert ask(empty_database_url, "SELECT count(*) FROM pg_namespace WHERE nspname = 'warehouse'") == [(0,)]


def test_people_query_views_of_the_snapshot_tables(database_url: str) -> None:
    for source in all_sources():
        if isinstance(source, Snapshot):
            columns = ask(
                database_url,
                "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum",
                f"warehouse.{source.name}",
            )
            seen = ("delivery", "first_seen", "last_seen", "missing_since")
            assert [name for (name,) in columns] == ["id", *source.schema.column_names(), *seen]
    views = "SELECT table_name FROM information_schema.views WHERE table_schema = 'warehouse' ORDER BY 1"
    assert [name for (name,) in ask(database_url, views)] == SNAPSHOTS


def test_a_view_of_somebody_else_is_named(database_url: str) -> None:
    ask(database_url, "CREATE VIEW public.mine AS SELECT title FROM warehouse.movies")
    ask(database_url, "DELETE FROM ledger.migrations")
    with pytest.raises(WarehouseMismatchError, match=r"view mine depends on view warehouse\.movies") as caught:
        upgrade(database_url)
    assert "\n" not in str(caught.value)
    assert ask(database_url, "SELECT count(*) FROM public.mine") == [(0,)]


def test_a_new_source_adds_its_own_tables_and_nothing_else(database_url: str) -> None:
    found = differences(database_url, [*all_sources(), PAYMENTS, SHOPS])
    assert {(operation, table.name) for operation, table in found} == {
        ("add_table", "payments"),
        ("add_table", "shops_current"),
        ("add_table", "shops_history"),
    }


def test_a_source_that_is_gone_takes_its_tables_with_it(database_url: str) -> None:
    found = differences(database_url, [source for source in all_sources() if source.name != "movies"])
    assert {(operation, table.name) for operation, table in found} == {
        ("remove_table", "movies_current"),
        ("remove_table", "movies_history"),
    }


def test_the_tables_of_a_new_source_leave_no_difference(database_url: str) -> None:
    metadata = build_metadata([PAYMENTS, SHOPS, READINGS, METERS], {})
    with connection_to(database_url) as connection:
        operations = Operations(MigrationContext.configure(connection))
        for table in metadata.sorted_tables:
            if table.name.startswith(("payments", "shops", "readings", "meters")):
                operations.impl.create_table(table)
    assert differences(database_url, [*all_sources(), PAYMENTS, SHOPS, READINGS, METERS]) == []


def test_a_text_of_any_length_may_be_part_of_an_answer(database_url: str) -> None:
    movie = "".join(chr(0x4E00 + number % 20000) for number in range(20000))
    answer = next(answer for answer in all_answers() if "movie_title" in answer.schema.columns())
    rows = answer.schema.sample(1, overrides={"movie_title": [movie], answer.grain: [DAY]})
    with connect(database_url) as connection:
        load_answer(connection, answer.name, answer.grain, DAY, rows, {})
    assert ask(database_url, f"SELECT movie_title FROM analytics.{answer.name}") == [(movie,)]


def test_the_partitions_of_an_answer_are_indexed(database_url: str) -> None:
    for answer in all_answers():
        indexes = ask(database_url, "SELECT indexdef FROM pg_indexes WHERE tablename = %s", answer.name)
        assert [definition.rpartition(" ")[2] for (definition,) in indexes] == [f"({answer.grain})"], answer.name


def test_alembic_compares_from_the_root_of_the_repository(database_url: str) -> None:
    compared = run_alembic(database_url, "check")
    assert "No new upgrade operations detected" in compared.stdout, compared.stderr


def test_a_generated_revision_is_numbered_and_clean(database_url: str, tmp_path: Path) -> None:
    ask(database_url, "ALTER TABLE warehouse.streams DROP COLUMN size_mb")
    ask(
        database_url,
        "ALTER TABLE warehouse.movies_history DROP COLUMN size_mb, "
        "ADD COLUMN old text NOT NULL DEFAULT 'x', ADD COLUMN older jsonb, ADD COLUMN oldest numeric(9, 2)",
    )
    made = generate(database_url, tmp_path, "Add payments")
    versions = Path(migrate.__file__).parent / "migrations/versions"
    assert made.name == f"{len(list(versions.glob('0*.py'))) + 1:04}_add_payments.py"
    assert made.read_text().count("add_column(") == 5
    assert "postgresql.JSONB" in made.read_text()
    for check in (("format", "--check"), ("check",)):
        arguments = [sys.executable, "-m", "ruff", *check, "--config", REPOSITORY / "pyproject.toml", made]
        checked = subprocess.run(arguments, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout


@pytest.fixture
def migrations(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A folder whose migrations come after those of the repository; declarations may be changed."""
    monkeypatch.setattr(migrate, "configuration", partial(_with_connection, tmp_path))
    yield tmp_path
    monkeypatch.undo()
    all_sources.cache_clear()


def _with_connection(folder: Path, connection: sa.Connection | None = None) -> Config:
    config = configured(folder)
    config.attributes["connection"] = connection
    return config


def declare(monkeypatch: pytest.MonkeyPatch, module: ModuleType, **columns: dy.Column | None) -> Any:
    """Change columns of the source that a module declares, or take them away; the source as it is then."""
    declared = {**module.SOURCE.schema.columns(), **columns}
    schema = type("Changed", (dy.Schema,), {name: column for name, column in declared.items() if column})
    monkeypatch.setattr(module, "SOURCE", replace(module.SOURCE, schema=schema))
    all_sources.cache_clear()
    return module.SOURCE


def test_a_new_column_is_declared_migrated_and_loaded(
    database_url: str, migrations: Path, monkeypatch: pytest.MonkeyPatch, local_storage: Storage
) -> None:
    csv = {
        "streams": "movie_title,user_email,size_mb,start_at,end_at,device\n"
        f"Heat,a@x,1,{DAY}T10:00:00Z,{DAY}T11:00:00Z,tv\n",
        "users": "country,email,first_name,last_name\nFR,a@x,A,Aa\n",
    }
    first, second = ({name: land(local_storage, name, f"{n}.csv", csv[name]).object for name in csv} for n in "ab")

    def take_and_load(source: Source, objects: dict[str, str]) -> None:
        assert ingest(local_storage, source, objects[source.name], "UTC", first_day=FIRST_DAY)
        table = rows_table(local_storage, source)
        version = table.open().version()
        with connect(database_url) as connection:
            if isinstance(source, Events):
                load_day(connection, source, table.scan(), version, DAY, "UTC")
            elif isinstance(source, Snapshot):
                changed_days = partial(table.changed_days, version=version)
                load_snapshot(connection, source, table.scan(), version, read_dumps(table, version), changed_days)

    for source in (streams.SOURCE, users.SOURCE):
        take_and_load(source, first)
    wider = [
        declare(monkeypatch, streams, device=dy.String(nullable=True)),
        declare(monkeypatch, users, country=dy.String(nullable=True)),
    ]
    for source, table in zip(wider, ("streams", "users_current"), strict=True):
        with pytest.raises(WarehouseMismatchError, match=f"{table} has no column .*alembic revision --autogenerate"):
            take_and_load(source, first)
    text = generate(database_url, migrations, "Device and country").read_text()
    changes = re.findall(r'op\.(\w+)\(\s*"(\w+)", (?:sa\.Column\()?"(\w+)"', text)
    assert sorted(changes) == [
        ("add_column", "streams", "device"),
        ("add_column", "users_current", "country"),
        ("add_column", "users_history", "country"),
        ("drop_column", "streams", "device"),
        ("drop_column", "users_current", "country"),
        ("drop_column", "users_history", "country"),
    ]
    assert upgrade(database_url)
    assert differences(database_url, all_sources()) == []
    for source, column in zip(wider, ("device", "country"), strict=True):
        assert ask(database_url, f"SELECT {column} FROM warehouse.{source.name}") == [(None,)]
        assert scan_source(database_url, source, "UTC").collect()[column].to_list() == [None]
    for source in wider:
        take_and_load(source, first)
        take_and_load(source, second)
    assert ask(database_url, "SELECT device FROM warehouse.streams") == [("tv",)]
    assert ask(database_url, "SELECT country FROM warehouse.users") == [("FR",)]
    assert ask(database_url, "SELECT country FROM warehouse.users_history") == [("FR",)]


def test_a_column_that_is_no_longer_declared_is_dropped(
    database_url: str, migrations: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_something(database_url)
    declare(monkeypatch, users, last_name=None)
    generate(database_url, migrations, "Without last names")
    assert upgrade(database_url)
    columns = "SELECT table_name FROM information_schema.columns WHERE column_name = 'last_name'"
    assert ask(database_url, columns) == []


def test_a_required_column_cannot_come_where_rows_are(
    database_url: str, migrations: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_something(database_url)
    declare(monkeypatch, streams, device=dy.String())
    generate(database_url, migrations, "Device")
    with pytest.raises(WarehouseMismatchError, match=r'"device".* declare it as nullable and generate the migration'):
        upgrade(database_url)
    assert differences(database_url, [*all_sources()])[0][0] == "add_column"
    assert ask(database_url, "SELECT count(*) FROM warehouse.streams") == [(3,)]
