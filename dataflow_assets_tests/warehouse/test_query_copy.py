"""Rows of users' statements as the server writes them: the same text as psql's, under the guards of any statement."""

import contextlib
import io
import json
import subprocess
from decimal import Decimal

import pytest

from dataflow_assets.errors import QueryError
from dataflow_assets.postgres.embedded.lease import find_programs
from dataflow_assets.warehouse.query_copy import copy_csv, copy_json
from dataflow_assets_tests.warehouse.builders import ask
from dataflow_assets_tests.warehouse.test_query import CHANGES, KEPT

VALUES = """
    SELECT n, 1.50::numeric AS amount, 'a,b "c"' || chr(10) || n AS text, NULL AS nothing, '' AS empty, true AS flag,
        timestamptz '2021-12-31 10:00+01' + n * interval '1 day' AS at, '{"a": [1, 2.50, null]}'::jsonb AS document,
        ARRAY['x', NULL] AS list, interval '1 day 2 hours' AS lasts, 'é漢' AS letters
    FROM generate_series(1, 3) AS n"""


def csv_of(url: str, statement: str) -> str:
    text = io.BytesIO()
    assert copy_csv(url, statement, text.write)
    return text.getvalue().decode()


def json_of(url: str, statement: str) -> list[dict[str, object]]:
    lines: list[bytes] = []
    assert copy_json(url, statement, lines.append)
    return [json.loads(line, parse_float=Decimal) for line in lines]


def test_csv_is_what_copy_writes_in_psql(server: str) -> None:
    """So that, other than by `psql --csv`, a text without letters is told from nothing."""
    copied = f"COPY ({VALUES}) TO STDOUT (FORMAT csv, HEADER)"
    command = ["-c", "SET timezone = 'UTC'", "-c", "SET intervalstyle = 'iso_8601'", "-c", copied]
    done = subprocess.run([find_programs() / "psql", server, "-qX", *command], capture_output=True, check=True)
    assert csv_of(server, VALUES + ";\n") == done.stdout.decode()


def test_json_has_the_digits_of_the_database_and_documents_as_they_are(server: str) -> None:
    first, *_ = json_of(server, VALUES)
    assert first == {
        "n": 1,
        "amount": Decimal("1.50"),
        "text": 'a,b "c"\n1',
        "nothing": None,
        "empty": "",
        "flag": True,
        "at": "2022-01-01T09:00:00+00:00",
        "document": {"a": [1, Decimal("2.50"), None]},
        "list": ["x", None],
        "lasts": "P1DT2H",
        "letters": "é漢",
    }
    assert str(first["amount"]) == "1.50"


def test_documents_with_blanks_of_their_own_and_marks_within_are_whole(server: str) -> None:
    text = "a\x01\x02\t\r\\."
    statement = f"SELECT E'{{\n\t\"a\":\r1}}'::json AS spaced, E'{text.replace(chr(92), chr(92) * 2)}' AS marks"
    assert json_of(server, statement) == [{"spaced": {"a": 1}, "marks": text}]


def test_a_comment_at_the_end_and_no_rows_are_no_trouble(server: str) -> None:
    assert csv_of(server, "SELECT 1 AS one WHERE false -- nothing") == "one\n"
    assert json_of(server, "SELECT 1 AS one WHERE false -- nothing") == []


def test_a_semicolon_in_quotes_changes_nothing(server: str) -> None:
    statement = "SELECT 'it''s; -- \"' AS \"a;'b\", '' AS empty, NULL AS nothing, true AS flag -- one;\nWHERE true;"
    assert csv_of(server, statement) == 'a;\'b,empty,nothing,flag\n"it\'s; -- ""","",,t\n'
    assert json_of(server, statement) == [{"a;'b": "it's; -- \"", "empty": "", "nothing": None, "flag": True}]


@pytest.mark.parametrize(
    "statement",
    [
        "SHOW timezone",
        "EXPLAIN SELECT 1",
        "SELECT 1; SELECT 2",
        "SELECT E'\\'; SELECT '",
        "SELECT $$'$$; SELECT $$'$$",
        "SELECT /* ' */ 1; SELECT /* ' */ 2",
        "SELECT 1 --\r; SELECT 2",
        "DELETE FROM ledger.strays",
    ],
)
def test_what_cannot_be_copied_is_left_alone(server: str, statement: str) -> None:
    assert not copy_csv(server, statement, lambda _: pytest.fail("something was written"))
    assert not copy_json(server, statement, lambda _: pytest.fail("something was written"))


def test_two_columns_of_one_name_are_no_object(server: str) -> None:
    assert not copy_json(server, "SELECT 1 AS a, 2 AS a", lambda _: pytest.fail("something was written"))
    assert csv_of(server, "SELECT 1 AS a, 2 AS a") == "a,a\n1,2\n"


def test_nothing_that_changes_anything_runs(database_url: str) -> None:
    ask(database_url, KEPT)
    for statement in CHANGES:
        for copy in (copy_csv, copy_json):
            with contextlib.suppress(QueryError):
                assert not copy(database_url, statement, lambda _: None), statement
    assert ask(database_url, "SELECT * FROM ledger.identity") == [(True, "kept")]
    assert ask(database_url, "SELECT to_regclass('public.changed')") == [(None,)]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("SELECT * FROM nowhere", 'relation "nowhere" does not exist (LINE 1: SELECT * FROM nowhere)'),
        ("SELECT\n\n1 +", "syntax error"),
        ("SELECT 1 / 0", "division by zero"),
        ("SELECT 1) TO PROGRAM 'touch /tmp/x' --", "syntax error"),
        ("SELECT pg_sleep(60)", "canceling statement due to statement timeout"),
    ],
)
def test_a_refusal_is_one_sentence(server: str, statement: str, said: str) -> None:
    for copy in (copy_csv, copy_json):
        with pytest.raises(QueryError) as caught:
            copy(server, statement, lambda _: None, seconds=1 if "sleep" in statement else 300)
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)


def test_rows_are_written_as_they_come(server: str) -> None:
    written: list[bytes] = []
    with pytest.raises(QueryError, match="division by zero"):
        copy_csv(server, "SELECT 1 / (90000 - n) AS a FROM generate_series(1, 100000) AS n", written.append)
    assert len(written) > 1000
