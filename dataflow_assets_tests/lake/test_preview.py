"""A preview says of a file what taking it in does, and takes nothing in."""

from dataclasses import asdict
from datetime import date
from pathlib import Path

import dataframely as dy
import pytest

from dataflow_assets.errors import FormatError
from dataflow_assets.lake.delta.table import read_rejects
from dataflow_assets.lake.ingest import ingest
from dataflow_assets.lake.known import event_bounds
from dataflow_assets.lake.preview import preview
from dataflow_assets.landing.storage import Storage
from dataflow_assets.sample_data import write_sample
from dataflow_assets.sources import all_sources, find_source
from dataflow_assets.sources.base import Snapshot
from dataflow_assets.sources.formats import Csv
from dataflow_assets_tests.landing.stores import FIRST_DAY, land

STREAMS = find_source("streams")
SHARES = Snapshot(
    name="shares",
    singular="share",
    description="Made up.",
    owner="team:tests",
    schema=type("Shares", (dy.Schema,), {"name": dy.String(), "share": dy.Float32(nullable=True)}),
    reader=Csv(),
    key=("name",),
)
HEADER = "movie_title,user_email,size_mb,start_at,end_at\n"


def test_it_says_what_an_intake_then_does(local_storage: Storage, tmp_path: Path) -> None:
    made = write_sample(tmp_path, streams=3_000)
    for source in all_sources():
        path = made.files[source.name]
        said = preview(
            path, source, "Europe/Paris", 5, event_bounds(source, date(2021, 12, 31), "Europe/Paris", FIRST_DAY)
        )
        intake = ingest(
            local_storage,
            source,
            land(local_storage, source, path.name, path.read_bytes(), date(2021, 12, 31)).object,
            "Europe/Paris",
            first_day=FIRST_DAY,
        )
        assert intake
        assert (said.delivered, said.accepted, said.rejected) == (intake.delivered, intake.accepted, intake.rejected)
        assert set(said.event_days) == intake.event_days
        assert (said.undeclared_columns, said.missing_columns) == (
            list(intake.undeclared_columns),
            list(intake.missing_columns),
        )
        assert said.rows.height == 5
        rejects = read_rejects(local_storage, source.name)
        assert sum(said.codes.values()) == said.rejected == len(rejects)
        assert [asdict(reject) for reject in said.rejects] == [
            {name: row[name] for name in ("line", "code", "message", "raw")} for row in rejects[:5]
        ]


def test_it_tells_rows_rejects_codes_columns_and_days(tmp_path: Path) -> None:
    path = tmp_path / "two days.csv"
    path.write_text(
        "device," + HEADER + "tv,Heat,a@b,1,2021-12-01T23:30:00Z,2021-12-02T00:30:00Z\n"
        "tv,Heat,nobody,1,2021-12-01T10:00:00Z,2021-12-01T11:00:00Z\n"
        "tv,Heat,a@b,-1,2021-12-01T10:00:00Z,2021-12-01T11:00:00Z\n"
        "tv,Heat,a@b,-2,2021-12-01T10:00:00Z,2021-12-01T11:00:00Z\n"
        "tv,Rust,a@b,1,2021-12-01T10:00:00Z,2021-12-01T11:00:00Z\n"
    )
    said = preview(path, STREAMS, "Europe/Paris", 1, None)
    assert said.rows["movie_title"].to_list() == ["Heat"]
    assert [(reject.line, reject.code) for reject in said.rejects] == [(3, "user_email.regex")]
    assert list(said.sentences()) == [
        "5 rows: 2 would be accepted, 3 rejected.",
        "Rejected: 2 for size_mb.min, 1 for user_email.regex.",
        "Not declared and kept out: device.",
        "2 event days, from 2021-12-01 to 2021-12-02.",
    ]
    assert said.event_days == [date(2021, 12, 1), date(2021, 12, 2)]


def test_a_value_of_single_precision_has_the_digits_that_it_has(tmp_path: Path) -> None:
    texts = ["0.1", "-16777216.0", "1e-45", "3.4028235e38", "0.30000004"]
    (tmp_path / "shares.csv").write_text("name,share\n" + "".join(f"{text},{text}\n" for text in texts))
    said = preview(tmp_path / "shares.csv", SHARES, "UTC", 9, None)
    assert said.rows["share"].to_list() == [float(text) for text in texts]


def test_a_column_that_a_file_lacks_is_told_as_one_without_values(tmp_path: Path) -> None:
    path = tmp_path / "lacking.csv"
    path.write_text("title,duration_mins,size_mb\nHeat,170,1\n")
    said = preview(path, find_source("movies"), "UTC", 5, None)
    assert list(said.sentences())[1:] == ["Absent and without values: original_language."]


@pytest.mark.parametrize("content", ["", HEADER])
def test_a_file_without_rows(tmp_path: Path, content: str) -> None:
    path = tmp_path / "none.csv"
    path.write_text(content)
    said = preview(path, STREAMS, "UTC", 5, None)
    assert list(said.sentences()) == ["0 rows: 0 would be accepted, 0 rejected."]
    assert said.rows.columns == STREAMS.schema.column_names()


@pytest.mark.parametrize(
    ("name", "content"), [("streams", "<html>503</html>\n"), ("books", '[{"name": "A"}, {"name":')], ids=["csv", "json"]
)
def test_a_file_that_would_be_refused_is_said_to_be(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / "wrong"
    path.write_text(content)
    with pytest.raises(FormatError, match="wrong is not a"):
        preview(path, find_source(name), "UTC", 5, None)


def test_it_says_why_a_file_would_be_quarantined(local_storage: Storage, tmp_path: Path) -> None:
    users = find_source("users")
    renamed = "email,first_name,surname\na@x,A,Aa\n"
    many = "email,first_name,last_name\n" + "no,A,Aa\n" * 101
    for number, content in enumerate((renamed, many)):
        path = tmp_path / f"{number}.csv"
        path.write_text(content)
        said = preview(path, users, "UTC", 0, None)
        landed = land(local_storage, users, path.name, content, date(2021, 12, 31))
        intake = ingest(local_storage, users, landed.object, "UTC", first_day=FIRST_DAY)
        assert intake
        assert intake.quarantine_reason
        assert said.quarantine_reason == intake.quarantine_reason
        assert f"It would be quarantined: {intake.quarantine_reason}" in said.sentences()
