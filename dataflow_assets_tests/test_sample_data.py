import filecmp
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow_assets.lake.readers import Reject, read_file
from dataflow_assets.sample_data import Sample, write_sample
from dataflow_assets.sources import all_sources, find_source

SEVEN = datetime(2021, 12, 25, 6, tzinfo=UTC)  # 07:00 at the offset of the files


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return write_sample(tmp_path_factory.mktemp("sample"), streams=4_000)


def _read(sample: Sample, name: str) -> tuple[pl.DataFrame, list[Reject]]:
    source = find_source(name)
    columns = source.schema.column_names()
    batches = list(read_file(sample.files[name], source).batches)
    return pl.concat(batch.rows.select(columns) for batch in batches), [
        reject for batch in batches for reject in batch.rejects
    ]


def test_every_source_has_a_file_of_its_format(sample: Sample) -> None:
    assert set(sample.files) == {source.name for source in all_sources()}
    assert all(sample.files[source.name].suffix == source.reader.suffix for source in all_sources())


@pytest.mark.parametrize("name", [source.name for source in all_sources()])
def test_the_counts_are_true(sample: Sample, name: str) -> None:
    accepted, rejects = _read(sample, name)
    delivered = sum(batch.delivered for batch in read_file(sample.files[name], find_source(name)).batches)
    assert delivered == sample.rows[name]
    assert (accepted.height, len(rejects)) == (sample.rows[name] - sample.broken[name], sample.broken[name])
    assert accepted.select(find_source(name).key).is_unique().all()


def test_each_way_of_breaking_is_rejected_as_often(sample: Sample) -> None:
    _, rejects = _read(sample, "streams")
    assert list(Counter(reject.code for reject in rejects).values()) == [4] * 10


def test_sessions_refer_mostly_to_the_other_files(sample: Sample) -> None:
    sessions, movies, users = (_read(sample, name)[0] for name in ("streams", "movies", "users"))
    unlisted_movies = sessions.join(movies, left_on="movie_title", right_on="title", how="anti")
    unlisted_users = sessions.join(users, left_on="user_email", right_on="email", how="anti")
    assert (unlisted_movies.height, unlisted_users.height) == (20, 20)


def test_what_the_questions_ask_for_is_there(sample: Sample) -> None:
    sessions, authors, reviews = (_read(sample, name)[0] for name in ("streams", "authors", "reviews"))
    affected = sessions.filter(
        pl.col("movie_title") == "Unforgiven", pl.col("start_at") <= SEVEN, pl.col("end_at") > SEVEN
    )
    assert affected.height >= 5
    assert "singaporeans" in authors["nationality"]
    assert reviews["movie_title"].str.contains(r"\p{Ll}").not_().all()
    assert 80 <= reviews["movie_title"].n_unique() < 90
    starts = sessions["start_at"].dt.convert_time_zone("Etc/GMT-1")
    assert starts.dt.date().n_unique() == 31
    assert starts.dt.month().unique().to_list() == [12]


def test_another_seed_is_another_sample(tmp_path: Path, sample: Sample) -> None:
    other = write_sample(tmp_path, streams=4_000, seed=1)
    assert not any(filecmp.cmp(path, other.files[name], shallow=False) for name, path in sample.files.items())


def test_equal_arguments_give_equal_bytes(tmp_path: Path, sample: Sample) -> None:
    again = write_sample(tmp_path, streams=4_000)
    assert all(filecmp.cmp(path, again.files[name], shallow=False) for name, path in sample.files.items())


@given(st.integers(0, 1_000))
@settings(max_examples=10)
def test_a_smaller_sample_is_the_beginning_of_a_larger(
    tmp_path_factory: pytest.TempPathFactory, sample: Sample, rows: int
) -> None:
    small = write_sample(tmp_path_factory.mktemp("small"), streams=rows)
    lines = small.files["streams"].read_bytes()
    assert lines.count(b"\n") == rows + 1
    assert sample.files["streams"].read_bytes().startswith(lines)
    assert small.broken["streams"] == rows // 100


def test_the_bytes_do_not_depend_on_versions_of_libraries(tmp_path: Path) -> None:
    files = write_sample(tmp_path, streams=100).files
    lines = files["streams"].read_text(encoding="utf-8").splitlines()
    assert lines[1] == (
        "Unforgiven,selfel.248@mail3.example,301.864158,2021-12-25T06:30:00.000+0100,2021-12-25T08:30:00.000+0100"
    )
    assert lines[100] == (  # it ends before it starts
        "The Jagged Orchard,pelbar.30@mail2.example,613.1079,2021-12-11T02:15:57.255+0100,2021-12-10T10:56:07.944+0100"
    )
