"""Files of SQL: what they must say, and where their parameters stand."""

from datetime import date
from pathlib import Path

import dataframely as dy
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow_assets.analytics import all_answers
from dataflow_assets.analytics.lineage import columns_read
from dataflow_assets.analytics.sql_file import PARAMETERS, bind, read_sql_answer
from dataflow_assets.errors import DeclarationError
from dataflow_assets_tests.analytics.added_files import FOLDER, added_answer

FILE = FOLDER / "sessions_by_movie.sql"
LITERALS = {name: f"<{name}>" for name in PARAMETERS}


def test_a_file_says_all_of_an_answer() -> None:
    answer = read_sql_answer(FILE)
    assert (answer.name, answer.grain, answer.reads) == ("sessions_by_movie", "day", ("streams",))
    assert answer.schema.primary_key() == ["day", "movie_title"]
    assert dict(answer.schema.create_empty().schema) == {
        "day": pl.Date(),
        "movie_title": pl.String(),
        "sessions": pl.Int64(),
        "average_session_seconds": pl.Float64(),
        "first_start": pl.Datetime("us", "UTC"),
    }
    sessions = answer.schema.columns()["sessions"]
    assert isinstance(sessions, dy.Int64)
    assert (sessions.min, sessions.description) == (1, "sessions: those that start on the day")
    assert (answer.statement or "").startswith("SELECT movie_title")


def test_it_is_found_among_the_answers(tmp_path: Path) -> None:
    with added_answer(FILE.name, tmp_path):
        assert "sessions_by_movie" in {answer.name for answer in all_answers()}
    assert "sessions_by_movie" not in {answer.name for answer in all_answers()}


def test_its_columns_are_made_from_those_that_its_statement_names() -> None:
    read = columns_read(read_sql_answer(FILE))
    assert read["sessions"] == {("streams", name) for name in ("movie_title", "start_at", "end_at")}
    assert set(read) == {"day", "movie_title", "sessions", "average_session_seconds", "first_start"}


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('-- owner = "team:analytics"\n', "", "its header lacks 'owner'"),
        ('grain = "day"', 'grain = "year"', "its grain is 'year', neither day nor month"),
        ('grain = "day"', "grain = day", "Invalid value"),
        ('type = "Float64"', 'type = "UInt8"', "its column 'average_session_seconds' needs a type, one of Bool, Date"),
        ('type = "Float64", min', "min", "its column 'average_session_seconds' needs a type, one of Bool, Date"),
        ("min = 0", "least = 0", "unexpected keyword argument 'least'"),
        ("-- reads", "-- trailing = 6\n-- reads", r"its header says \['trailing'\], which no answer has"),
        ('["streams"]', '"streams"', "its header says reads = 'streams', which is not a list of sources"),
        ("-- reads", "-- trailing_days = true\n-- reads", "trailing_days = True, which is not a whole number"),
        ("-- reads", '-- reads_overlapping = "no"\n-- reads', "reads_overlapping = 'no', which is not true or false"),
        ("-- sessions =", '-- day = {type = "Date"}\n-- sessions =', "its column 'day' is the partition"),
        ("-- sessions =", '-- Movie_Title = "String"\n-- sessions =', "its column 'Movie_Title' needs a type, one of"),
        (
            "-- sessions =",
            '-- Sessions = {type = "Int64"}\n-- sessions =',
            "two columns differ by upper and lower case",
        ),
        (FILE.read_text()[FILE.read_text().index("\nSELECT") :], "\n", "it has no statement behind its header"),
        (
            ":first_day",
            ":start_day",
            "its statement has the parameter :start_day; there are start, end, day",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_name(tmp_path: Path, old: str, new: str, problem: str) -> None:
    path = tmp_path / "wrong.sql"
    path.write_text(FILE.read_text().replace(old, new))
    with pytest.raises(ValueError, match=rf"wrong\.sql is no answer: .*{problem}"):
        read_sql_answer(path)


def test_a_file_in_another_encoding_is_told_and_a_mark_of_utf_8_is_no_trouble(tmp_path: Path) -> None:
    path = tmp_path / "marked.sql"
    path.write_text("\ufeff" + FILE.read_text())
    assert read_sql_answer(path).reads == ("streams",)
    path.write_bytes(FILE.read_text().encode() + b"-- caf\xe9\n")
    with pytest.raises(DeclarationError, match=r"marked\.sql is no answer: 'utf-8' codec can't decode byte 0xe9"):
        read_sql_answer(path)


@pytest.mark.parametrize(
    ("statement", "bound"),
    [
        ("a >= :start AND a < :end", "a >= <start> AND a < <end>"),
        ("(:day)", "(<day>)"),
        ("a::date = :day::date", "a::date = <day>::date"),
        ("':day' || \":day\" || $$:day$$ || $x$:day$x$", "':day' || \":day\" || $$:day$$ || $x$:day$x$"),
        ("'it''s :day' = :day", "'it''s :day' = <day>"),
        ("1 -- :nothing\n+ /* :nothing */ :day", "1 -- :nothing\n+ /* :nothing */ <day>"),
        ("to_char(a, 'HH24:MI')", "to_char(a, 'HH24:MI')"),
    ],
)
def test_parameters_are_told_from_texts_names_comments_and_casts(statement: str, bound: str) -> None:
    assert bind(statement, LITERALS) == bound


@given(st.text(alphabet="ab'\"$-/*: \n"), st.dates())
def test_whatever_stands_in_a_text_is_left_alone(text: str, day: date) -> None:
    quoted = "'" + text.replace("'", "''") + "'"
    assert bind(f"SELECT {quoted}, :day", {"day": str(day)}) == f"SELECT {quoted}, {day}"
