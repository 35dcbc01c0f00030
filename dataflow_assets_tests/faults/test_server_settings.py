"""A database whose settings are against us: the reference data's numbers are the same, whatever it sets."""

import json
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from dataflow_assets_tests.known_answers import EXPECTED, require_known_answers
from dataflow_assets_tests.processes import environment_with
from dataflow_assets_tests.warm import run_dataflow

SETTINGS = {
    "timezone": "Asia/Kolkata",
    "datestyle": "German, DMY",
    "intervalstyle": "sql_standard",
    "search_path": "other",
    "default_transaction_isolation": "serializable",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "20s",
    "statement_timeout": "60s",
    "row_security": "off",
    "extra_float_digits": "-5",
    "bytea_output": "escape",
    "standard_conforming_strings": "off",
    "backslash_quote": "on",
    "xmloption": "content",
    "enable_partition_pruning": "off",
    "plan_cache_mode": "force_generic_plan",
    "client_encoding": "latin1",
    "jit": "on",
    "default_statistics_target": "1",
    "default_toast_compression": "pglz",
    "check_function_bodies": "off",
    "array_nulls": "off",
    "transform_null_equals": "on",
    "default_transaction_deferrable": "on",
    "synchronous_commit": "off",
}


def dataflow(url: str, home: Path, timezone: str, *arguments: str) -> str:
    environment = environment_with(DATAFLOW_HOME=str(home), DATABASE_URL=url, DATAFLOW_TIMEZONE=timezone)
    done = run_dataflow(arguments, environment)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture
def of_others(server: str) -> Iterator[str]:
    """The URL of a database that sets all of these for each of its sessions."""
    name = f"of_others_{uuid.uuid4().hex}"
    with closing(psycopg2.connect(server)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name} TEMPLATE template0")
            for setting, value in SETTINGS.items():
                cursor.execute(f"ALTER DATABASE {name} SET {setting} = %s", (value,))
            url = server.rsplit("/", 1)[0] + f"/{name}"
            with closing(psycopg2.connect(url)) as own, own, own.cursor() as inside:
                inside.execute("CREATE SCHEMA other")
            yield url
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("timezone", EXPECTED)
def test_the_known_answers_on_a_server_of_others(
    of_others: str, tmp_path: Path, reference_data: Path, timezone: str
) -> None:
    dataflow(of_others, tmp_path / "home", timezone, "init-db")
    printed = dataflow(of_others, tmp_path / "home", timezone, "demo", "--data", str(reference_data), "--json")
    require_known_answers(json.loads(printed), timezone)
