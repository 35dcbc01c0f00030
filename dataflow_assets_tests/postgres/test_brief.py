"""Brief connections that are used again: one block has one, and what was lost is told and replaced."""

from datetime import UTC, date, datetime

import psycopg2
import pytest
import sqlalchemy as sa
from psycopg2 import extensions

from dataflow_assets.errors import WarehouseUnavailableError
from dataflow_assets.postgres.brief import BriefConnections
from dataflow_assets.postgres.statements import as_json, insert_rows, run_briefly

THINGS = sa.Table(
    "things",
    sa.MetaData(schema="public"),
    sa.Column("number", sa.BigInteger(), primary_key=True),
    sa.Column("text", sa.Text()),
    sa.Column("day", sa.Date()),
    sa.Column("moment", sa.DateTime(timezone=True)),
)
WANTED = sa.bindparam("wanted", type_=sa.ARRAY(sa.BigInteger()))
READ = sa.select(*THINGS.columns).where(THINGS.c.number == sa.any_(WANTED)).order_by(THINGS.c.number)
ROWS = [(-(2**63), "50 % of 'ä'\n", date(2021, 12, 1), datetime(2021, 12, 1, 1, tzinfo=UTC)), (1, None, None, None)]


def number(connection: extensions.connection) -> int:
    """The server's process of a session."""
    return connection.info.backend_pid


def test_values_come_back_as_they_were_sent(empty_database_url: str) -> None:
    connections = BriefConnections(empty_database_url)
    with connections.take() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE things (number bigint PRIMARY KEY, text text, day date, moment timestamptz)")
        given = as_json(dict(zip(THINGS.columns.keys(), row, strict=True)) for row in ROWS)
        assert run_briefly(connection, insert_rows(THINGS), rows=given) == []
    with connections.take() as connection:
        assert run_briefly(connection, READ, wanted=[1, -(2**63), 7]) == ROWS
        assert run_briefly(connection, READ, wanted=[]) == []


def test_what_a_block_that_fails_did_is_undone(empty_database_url: str) -> None:
    connections = BriefConnections(empty_database_url)
    with (
        pytest.raises(psycopg2.errors.DivisionByZero),
        connections.take() as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("CREATE TABLE things (number bigint); SELECT 1 / 0")
    with connections.take() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('things')")
        assert cursor.fetchone() == (None,)


def test_a_connection_is_used_again_and_by_one_block_at_a_time(empty_database_url: str) -> None:
    connections = BriefConnections(empty_database_url)
    with connections.take() as one, connections.take() as other:
        both = {number(one), number(other)}
    assert len(both) == 2
    with connections.take() as one, connections.take() as other:
        assert {number(one), number(other)} == both


def test_a_server_that_ended_its_sessions_is_told_once_and_then_asked_anew(empty_database_url: str) -> None:
    connections = BriefConnections(empty_database_url)
    with connections.take() as one, connections.take() as other:
        both = [number(one), number(other)]
    with psycopg2.connect(empty_database_url) as killer, killer.cursor() as cursor:
        cursor.execute("SELECT bool_and(pg_terminate_backend(pid, 60000)) FROM unnest(%s) AS pid", (both,))
        assert cursor.fetchone() == (True,)
    killer.close()
    with (
        pytest.raises(WarehouseUnavailableError, match="cannot be reached"),
        connections.take() as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT 1")
    with connections.take() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert number(connection) not in both
