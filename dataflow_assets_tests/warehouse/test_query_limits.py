"""What a user's statement may take and reach: of memory, of time, of the server's files and other sessions."""

import csv
import io
import json
from collections.abc import Iterator
from functools import partial

import psycopg2
import pytest

from dataflow_assets.cli.results import Format, print_result
from dataflow_assets.doctor.databases import database, tables
from dataflow_assets.errors import QueryError
from dataflow_assets.settings import load_settings
from dataflow_assets.warehouse.query import run_query, stream_query
from dataflow_assets.warehouse.query_copy import copy_csv, copy_json
from dataflow_assets_tests.postgres.superuser import superuser_server
from dataflow_assets_tests.warehouse.builders import ask


@pytest.fixture(scope="module")
def superuser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with superuser_server(tmp_path_factory.mktemp("superuser")) as url:
        yield url


def test_a_superuser_reads_no_file_and_ends_no_session(superuser: str) -> None:
    other = psycopg2.connect(superuser)
    pid = other.info.backend_pid
    for statement in (
        "SELECT pg_read_file('/etc/hostname')",
        "SELECT pg_ls_dir('.')",
        f"SELECT pg_terminate_backend({pid})",
        f"SELECT pg_cancel_backend({pid})",
        "SELECT lo_import('/etc/hostname')",
        "SELECT pg_reload_conf()",
    ):
        with pytest.raises(QueryError, match=r"permission denied|read-only"):
            run_query(superuser, statement)
    with other.cursor() as cursor:
        cursor.execute("CREATE TABLE public.own AS SELECT 1 AS a")
        other.commit()
    assert run_query(superuser, "SELECT a, current_user::text FROM public.own").rows == [(1, "pg_read_all_data")]
    other.close()


def test_a_statement_sees_no_logins_and_is_told_as_whom_it_runs(database_url: str) -> None:
    assert run_query(database_url, "SELECT current_user::text").rows == [("dataflow_reader",)]
    refused = r"permission denied for schema serving .*\. Statements run as dataflow_reader"
    for run in (run_query, partial(copy_csv, write=print), partial(copy_json, write=print)):
        with pytest.raises(QueryError, match=refused):
            run(database_url, "SELECT * FROM serving.users")
    with pytest.raises(QueryError, match="permission denied to terminate process"):
        run_query(database_url, "SELECT pg_terminate_backend(pg_backend_pid())")


def test_the_doctor_says_as_whom_statements_run(database_url: str, clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv("DATABASE_URL", database_url)
    assert tables(load_settings()).state == "ok"
    ask(database_url, "REVOKE USAGE ON SCHEMA warehouse FROM dataflow_reader; SELECT 1")
    finding = tables(load_settings())
    assert finding.state == "warning"
    assert "run as dataflow, who may read the API's users" in finding.sentence
    assert "GRANT dataflow_reader TO dataflow`" in finding.advice
    assert run_query(database_url, "SELECT current_user::text").rows == [("dataflow",)]


def test_what_a_statement_writes_aside_is_bounded_where_the_role_may(superuser: str, server: str) -> None:
    for url in (superuser, server):
        assert run_query(url, "SHOW temp_file_limit").rows == [("10GB",)]


def test_a_role_that_may_neither_read_all_nor_set_limits_can_ask_all_the_same(superuser: str) -> None:
    with psycopg2.connect(superuser) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE ROLE plain LOGIN PASSWORD 'plain'")
        cursor.execute("CREATE SEQUENCE public.untouched")
        cursor.execute("GRANT ALL ON SEQUENCE public.untouched TO plain")
    url = f"postgresql://plain:plain@{superuser.rpartition('@')[2]}"
    rows = run_query(url, "SELECT current_user, current_setting('temp_file_limit')")
    assert rows.rows == [("plain", "-1")]
    with pytest.raises(QueryError, match=r"cannot execute nextval\(\) in a read-only transaction"):
        run_query(url, "SELECT nextval('public.untouched')")


def test_the_read_only_transaction_needs_no_option_of_the_connection(server: str) -> None:
    rows = run_query(server, "SELECT current_setting('transaction_read_only'), current_setting('statement_timeout')")
    assert rows.rows == [("on", "10min")]


def test_a_statement_that_takes_too_long_is_ended(server: str) -> None:
    with (
        pytest.raises(QueryError, match="canceling statement due to statement timeout"),
        stream_query(server, "SELECT pg_sleep(60)", seconds=1) as stream,
    ):
        list(stream.batches)


def test_rows_come_as_they_are_asked_for(server: str) -> None:
    statement = "SELECT n, repeat('x', 1000) AS text FROM generate_series(1, 100000) AS n"
    with stream_query(server, statement) as stream:
        sizes = [len(batch) for batch in stream.batches]
    assert sum(sizes) == 100_000
    assert max(sizes) < 50_000


def test_a_failure_in_the_middle_is_one_sentence(server: str) -> None:
    statement = "SELECT 1 / (90000 - n) AS a, repeat('x', 1000) AS text FROM generate_series(1, 100000) AS n"
    with stream_query(server, statement) as stream, pytest.raises(QueryError, match=r"division by zero\.$"):
        list(stream.batches)


@pytest.mark.parametrize("count", [0, 1, 2, 2_500])
def test_json_and_csv_of_any_length_are_whole(capsys: pytest.CaptureFixture[str], count: int) -> None:
    rows = [(number, f"line\n{number} \x1b[31m\x9b\u202e é") for number in range(count)]
    print_result(["n", "text"], iter([rows]), Format.JSON)
    said = capsys.readouterr().out
    assert json.loads(said) == [{"n": number, "text": text} for number, text in rows]
    assert all(char.isprintable() or char == "\n" for char in said)
    print_result(["n", "text"], iter([rows]), Format.CSV)
    found = list(csv.reader(io.StringIO(capsys.readouterr().out, newline="")))
    assert found == [["n", "text"], *([str(number), text] for number, text in rows)]


def test_csv_for_a_spreadsheet_holds_no_formula(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("=1+1",), ("@SUM(A1)",), ("-2+3",), ("\tx",), (-1.5,), ("+1e9",), ("a=b",), (None,)]
    print_result(["=head"], iter([rows]), Format.CSV, for_spreadsheet=True)
    found = [row[0] if row else "" for row in csv.reader(io.StringIO(capsys.readouterr().out, newline=""))]
    assert found == ["'=head", "'=1+1", "'@SUM(A1)", "'-2+3", "'\tx", "-1.5", "+1e9", "a=b", ""]


def test_the_doctor_warns_of_a_superuser(superuser: str, server: str, clean_environment: pytest.MonkeyPatch) -> None:
    for url, state in ((superuser, "warning"), (server, "ok")):
        clean_environment.setenv("DATABASE_URL", url)
        finding = database(load_settings())
        assert finding.state == state
        assert ("is a superuser" in finding.sentence) == (state == "warning")
