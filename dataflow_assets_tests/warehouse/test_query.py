"""Statements of users: they read anything, and change nothing."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg2
import pytest

from dataflow_assets.core.formatting import digits, plain, to_json
from dataflow_assets.errors import QueryError
from dataflow_assets.warehouse.query import Result, run_query
from dataflow_assets_tests.warehouse.builders import ask

KEPT = "INSERT INTO ledger.identity VALUES (true, 'kept')"
CHANGE = "UPDATE ledger.identity SET timezone = 'changed'"

CHANGES = [
    CHANGE,
    "INSERT INTO ledger.identity VALUES (false, 'new')",
    "DELETE FROM ledger.identity",
    "TRUNCATE ledger.identity",
    "DROP TABLE ledger.identity CASCADE",
    "CREATE TABLE public.changed ()",
    "CREATE TEMPORARY TABLE changed ()",
    "SELECT timezone INTO public.changed FROM ledger.identity",
    f"WITH gone AS ({CHANGE} RETURNING *) SELECT * FROM gone",
    f"EXPLAIN ANALYZE {CHANGE}",
    "SELECT * FROM ledger.identity FOR UPDATE",
    "SELECT set_config('transaction_read_only', 'off', false)",
    "SELECT lo_create(4711)",
    "SET TRANSACTION READ WRITE",
    "SET default_transaction_read_only = off",
    f"SELECT 1; {CHANGE}",
    f"COMMIT; {CHANGE}; COMMIT",
    f"SELECT 1; COMMIT; BEGIN READ WRITE; {CHANGE}; COMMIT",
    f"DO $$ BEGIN COMMIT; SET TRANSACTION READ WRITE; {CHANGE}; COMMIT; END $$",
    f"DO $$ BEGIN SET TRANSACTION READ WRITE; {CHANGE}; END $$",
    "COPY ledger.identity FROM STDIN",
    "COPY ledger.identity TO STDOUT",
    "LOCK TABLE ledger.identity",
    "VACUUM",
    "COMMIT",
    "CALL nothing()",
]


@pytest.fixture
def url(database_url: str) -> str:
    ask(database_url, KEPT)
    return database_url


def test_nothing_that_changes_anything_runs(url: str) -> None:
    for statement in CHANGES:
        with pytest.raises(QueryError) as caught:
            run_query(url, statement)
        assert "\n" not in str(caught.value), statement
    assert ask(url, "SELECT * FROM ledger.identity") == [(True, "kept")]
    assert ask(url, "SELECT to_regclass('public.changed')") == [(None,)]


def test_no_program_runs_even_for_a_superuser(url: str, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    copies = f"COPY (SELECT 1) TO PROGRAM 'touch {proof}'"
    for statement in (
        copies,
        f" ({copies})",
        f"--\r{copies} /*\nSELECT */",
        f"/* /* */ SELECT */ {copies}",
        f"/**/ -- SELECT\n{copies}",
        f"DO $$ BEGIN {copies}; END $$",
    ):
        with pytest.raises(QueryError, match="Only one statement that reads"):
            run_query(url, statement)
    with pytest.raises(QueryError):
        run_query(url, f"SELECT query_to_xml($$ {copies} $$, true, true, '')")
    assert not proof.exists()


@pytest.mark.parametrize("statement", ["", "  \n", "-- nothing", "/* nothing */", ";", "selct 1", "/* a /* b */ c */"])
def test_what_is_not_a_statement_that_reads_is_told_what_is(server: str, statement: str) -> None:
    with pytest.raises(QueryError, match="SELECT, WITH, VALUES, TABLE, SHOW, EXPLAIN"):
        run_query(server, statement)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("SELECT * FROM nowhere", 'relation "nowhere" does not exist (LINE 1: SELECT * FROM nowhere)'),
        ("SELECT\n\n1 +", "syntax error at end of input (LINE 3: 1 +)"),
        ("SELECT 1 / 0", "division by zero"),
        ("SELECT $1", "requires 1"),
        ("SELECT 1; SELECT 2", "cannot insert multiple commands into a prepared statement"),
        ("SELECT row(1, 'a')", 'Whole rows cannot be shown: cast the column "row" to text.'),
        ("SELECT row(7) AS one", 'Whole rows cannot be shown: cast the column "one" to text.'),
        ("SELECT ARRAY[row(1, 'a')]", 'Whole rows cannot be shown: cast the column "array" to text.'),
        ("SELECT a FROM pg_am AS a", 'Whole rows cannot be shown: cast the column "a" to text.'),
        ("SELECT point(1, 2) AS here", 'Values of type point cannot be shown: cast the column "here" to text.'),
        ("SELECT ARRAY['10:00+02'::timetz] AS times", 'Values of type timetz cannot be shown: cast the column "times"'),
        ("SELECT 12.34::money AS price", 'Values of type money cannot be shown: cast the column "price" to text.'),
        ("SELECT ARRAY[1::money] AS prices", 'Values of type money cannot be shown: cast the column "prices" to text.'),
        (
            "SELECT 1 AS a, '{{1,2},{3,4}}'::int[] AS grid;",
            'dimensions cannot be shown: cast the column "grid" to text.',
        ),
        ("SELECT '[0:1]={1,2}'::int[] AS later", 'cannot be shown: cast the column "later" to text.'),
        ("SELECT 'infinity'::timestamptz AS never", 'The column "never" has a time beyond the years 1 to 9999'),
        ("SELECT '0044-03-15 BC'::date AS ides", 'The column "ides" has a time beyond the years 1 to 9999'),
    ],
)
def test_a_refusal_is_one_sentence(server: str, statement: str, said: str) -> None:
    with pytest.raises(QueryError) as caught:
        run_query(server, statement)
    message = str(caught.value)
    assert said.lower() in message.lower()
    assert "\n" not in message
    assert "SQLSTATE" not in message
    assert "libpq" not in message


def test_every_way_to_read_works(url: str) -> None:
    for statement in (
        "SELECT timezone FROM ledger.identity",
        "  -- the zone\n/* of\nit */ (select timezone FROM ledger.identity) LIMIT 1;",
        "WITH zone AS (SELECT timezone FROM ledger.identity) SELECT * FROM zone",
        "VALUES ('kept')",
    ):
        assert run_query(url, statement).rows == [("kept",)], statement
    assert run_query(url, "TABLE ledger.identity").columns == ["only", "timezone"]
    assert run_query(url, "SHOW transaction_read_only").rows == [("on",)]
    assert run_query(url, "EXPLAIN SELECT 1").columns == ["QUERY PLAN"]
    assert len(run_query(url, "EXPLAIN ANALYZE TABLE ledger.identity").rows) > 1


def test_a_url_with_options_of_its_own_stays_read_only(url: str) -> None:
    with pytest.raises(QueryError, match=r"permission denied|read-only transaction"):
        run_query(f"{url}?application_name=me", f"WITH gone AS ({CHANGE} RETURNING *) SELECT * FROM gone")


def test_a_result_without_rows_or_columns_is_empty(server: str) -> None:
    assert run_query(server, "SELECT 1 AS a WHERE false").rows == []
    assert run_query(server, "SELECT 1 AS a WHERE false").columns == ["a"]
    nothing = run_query(server, "SELECT")
    assert (nothing.columns, nothing.rows) == ([], [])


def test_a_name_may_stand_twice(server: str) -> None:
    result = run_query(server, "SELECT 1 AS a, 2 AS a")
    assert (result.columns, result.rows) == (["a", "a"], [(1, 2)])


VALUES: list[tuple[str, Any, Any]] = [
    ("1::int2", 1, 1),
    ("9223372036854775807::int8", 2**63 - 1, 2**63 - 1),
    ("1.50::numeric", Decimal("1.50"), Decimal("1.50")),
    ("0.00000001::numeric", Decimal("0.00000001"), Decimal("0.00000001")),
    ("99999999999999.9999::numeric", Decimal("99999999999999.9999"), Decimal("99999999999999.9999")),
    ("4294967295::oid", 4294967295, 4294967295),
    ("ARRAY[4294967295, 1]::oid[]", [4294967295, 1], [4294967295, 1]),
    ("0.1::float4", 0.1, 0.1),
    ("ARRAY[0.1, NULL]::float4[]", [0.1, None], [0.1, None]),
    ("time '24:00'", "24:00:00", "24:00:00"),
    ("ARRAY['24:00', '00:00']::time[]", ["24:00:00", time(0)], ["24:00:00", "00:00:00"]),
    ("2.00::numeric", Decimal("2.00"), Decimal("2.00")),
    ("12345678901234567890123::numeric", Decimal("12345678901234567890123"), Decimal("12345678901234567890123")),
    ("'Infinity'::numeric", Decimal("Infinity"), "Infinity"),
    ("'-Infinity'::float8", float("-inf"), "-inf"),
    ("ARRAY[1.5, NULL]::numeric[]", [Decimal("1.5"), None], [Decimal("1.5"), None]),
    ("ARRAY['a', NULL, '']", ["a", None, ""], ["a", None, ""]),
    ("ARRAY[]::int[]", [], []),
    ("NULL", None, None),
    ("NULL::numeric", None, None),
    ("true", True, True),
    ("E'a\\n漢 \"\\''", "a\n漢 \"'", "a\n漢 \"'"),
    ("'{\"a\": [1, 2.50, null]}'::jsonb", {"a": [1, Decimal("2.50"), None]}, {"a": [1, Decimal("2.50"), None]}),
    ("'\\x00ff'::bytea", b"\x00\xff", "\\x00ff"),
    ("date '0001-01-01'", date(1, 1, 1), "0001-01-01"),
    ("time '23:59:59.999999'", time(23, 59, 59, 999999), "23:59:59.999999"),
    (
        "timestamp '9999-12-31 23:59:59.999999'",
        datetime(9999, 12, 31, 23, 59, 59, 999999),  # noqa: DTZ001
        "9999-12-31T23:59:59.999999",
    ),
    (
        "timestamptz '2021-10-31 02:30+02'",
        datetime(2021, 10, 31, 0, 30, tzinfo=UTC),
        "2021-10-31T00:30:00+00:00",
    ),
    ("interval '1 year -2 days 3.5 seconds'", "P12M-2DT3.5S", "P12M-2DT3.5S"),
    ("ARRAY[interval '1000 seconds', NULL]", ["P0M0DT1000S", None], ["P0M0DT1000S", None]),
    ("NULL::interval", None, None),
    (
        "'00112233-4455-6677-8899-aabbccddeeff'::uuid",
        UUID("00112233-4455-6677-8899-aabbccddeeff"),
        "00112233-4455-6677-8899-aabbccddeeff",
    ),
]


@pytest.fixture
def result(server: str) -> Result:
    """All of these values, in one row."""
    columns = [f"{expression} AS c{number}" for number, (expression, *_) in enumerate(VALUES)]
    return run_query(server, f"SELECT {', '.join(columns)}")


def test_values_keep_their_types(result: Result) -> None:
    for found, (expression, expected, _) in zip(result.rows[0], VALUES, strict=True):
        assert found == expected, expression
        assert type(found) is type(expected), expression


def test_values_become_json(result: Result) -> None:
    for found, (expression, _, expected) in zip(plain(result.rows[0]), VALUES, strict=True):
        assert found == expected, expression
        assert type(found) is type(expected), expression


def test_json_text_and_tables_have_the_digits_of_the_database(server: str) -> None:
    result = run_query(server, "SELECT 99999999999999.9999 AS a, 0.00000001 AS b, ARRAY[1.50] AS c, 3.00 AS d")
    record = dict(zip(result.columns, plain(result.rows[0]), strict=True))
    assert to_json(record) == '{"a": 99999999999999.9999, "b": 0.00000001, "c": [1.50], "d": 3.00}'
    assert [digits(value) for value in result.rows[0]] == ["99999999999999.9999", "0.00000001", "[1.50]", "3.00"]


def test_what_is_not_a_number_becomes_text(server: str) -> None:
    result = run_query(server, "SELECT 'NaN'::float8 AS f, 'NaN'::numeric AS n")
    assert [plain(row) for row in result.rows] == [["nan", "NaN"]]


def test_what_cannot_be_shown_can_as_text(server: str) -> None:
    with psycopg2.connect(server) as connection, connection.cursor() as cursor:
        for expression in ("point(1,2)", "int4range(1,3)", "'infinity'::timestamptz", "B'101'", "'10:00+02'::timetz"):
            cursor.execute(f"SELECT ({expression})::text")
            assert run_query(server, f"SELECT ({expression})::text").rows == cursor.fetchall()
