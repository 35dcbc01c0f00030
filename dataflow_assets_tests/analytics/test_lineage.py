"""The columns that an answer is said to be made from are those that it is made from."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from dataflow_assets.analytics import Answer, all_answers, compute_partition, find_answer
from dataflow_assets.analytics.lineage import columns_read
from dataflow_assets_tests.analytics.builders import MOVIES, authors, books, reviews, session, streams

DAY = date(2021, 12, 1)
NOON = datetime(2021, 12, 1, 12, tzinfo=UTC)
OTHER = {
    pl.String: "other",
    pl.Float64: -1.0,
    pl.Int64: -1,
    pl.Date: date(1999, 1, 1),
    pl.Datetime: datetime(1999, 1, 1, tzinfo=UTC),
}
FRAMES = {
    "streams": streams(
        session("Rust", "a@x", NOON, timedelta(hours=2)), session("Heat", "b@x", NOON, timedelta(hours=1))
    ),
    "movies": MOVIES,
    "reviews": reviews(("Rust", "Oxide"), ("Heat", None)),
    "books": books(("Oxide", "Ada Reed")),
    "authors": authors(("Ada Reed", "finns")),
}


def asked(answer: Answer, frames: dict[str, pl.DataFrame], column: str) -> list[object]:
    lazy = {name: frame.lazy() for name, frame in frames.items()}
    return compute_partition(answer, lazy, DAY, "UTC").collect().get_column(column).to_list()


@pytest.mark.parametrize("answer", all_answers(), ids=lambda answer: answer.name)
def test_other_columns_change_nothing(answer: Answer) -> None:
    for column, read in columns_read(answer).items():
        changed = {
            source: frame.with_columns(
                pl.lit(OTHER[frame.schema[name].base_type()], frame.schema[name]).alias(name)
                for name in frame.columns
                if (source, name) not in read
            )
            for source, frame in FRAMES.items()
        }
        before = asked(answer, FRAMES, column)
        assert before, f"{column} has no value that could change"
        assert asked(answer, changed, column) == before, column


def test_only_what_a_column_needs_is_named() -> None:
    read = columns_read(find_answer("average_session"))
    assert read["sessions"] == {("streams", "start_at")}
    assert read["average_session_seconds"] == {("streams", "start_at"), ("streams", "end_at")}


def test_every_source_that_an_answer_reads_is_named() -> None:
    for answer in all_answers():
        named = {source for columns in columns_read(answer).values() for source, _ in columns}
        assert named == set(answer.reads), answer.name


def test_a_query_of_whole_rows_reads_every_column() -> None:
    answer = find_answer("average_session")
    whole = Answer(
        name="whole",
        description=answer.description,
        owner=answer.owner,
        grain="day",
        schema=answer.schema,
        reads=("books",),
        compute=lambda books, window: books.unique().select(
            sessions=pl.len().cast(pl.Int64), average_session_seconds=pl.lit(0.0)
        ),
    )
    assert columns_read(whole)["sessions"] == {("books", name) for name in ("title", "pages", "author", "publisher")}
