"""The hour that clocks repeat in autumn: of two equal local readings in a file the later one is the second."""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dataframely as dy
import polars as pl
import pytest

from dataflow_assets.lake.readers import read_file
from dataflow_assets.sources import Csv, Events, Json, Parquet
from dataflow_assets.sources.formats import Format

FIRST, SECOND = datetime(2026, 10, 25, 0, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)  # both are 02:00


class Readings(dy.Schema):
    meter = dy.String()
    at = dy.Datetime(time_zone="UTC")
    until = dy.Datetime(time_zone="UTC", nullable=False)
    kwh = dy.Int64(nullable=True)


def readings(reader: Format, **options: Any) -> Events:
    given: dict[str, Any] = {
        "name": "readings",
        "singular": "reading",
        "description": "Made up.",
        "owner": "team:tests",
        "schema": Readings,
        "reader": reader,
        "key": ("meter", "at"),
        "event_time": "at",
        "end_time": "until",
        "time_formats": ("%+", "%Y-%m-%d %H:%M"),
        "time_zone": "Europe/Paris",
    }
    return Events(**(given | options))


def read(path: Path, source: Events) -> tuple[list[tuple[Any, ...]], list[str], Counter[str]]:
    batches = list(read_file(path, source).batches)
    rows = [row for batch in batches for row in batch.rows.select("meter", "at", "until").rows()]
    repaired = sum((Counter(batch.repaired) for batch in batches), Counter[str]())
    return rows, [reject.code for batch in batches for reject in batch.rejects], repaired


def write_csv(path: Path, rows: Sequence[tuple[str, str, str]]) -> None:
    path.write_text("meter,at,until\n" + "".join(",".join(row) + "\n" for row in rows))


def shown(hour: int, minute: int) -> str:
    return f"2026-10-25 {hour:02}:{minute:02}"


def test_no_hour_is_lost_of_two_meters_that_read_every_ten_minutes(tmp_path: Path) -> None:
    """From 01:00 to 04:00 by the clocks are four hours: 24 readings of each."""
    hours = [(1, 1), (2, 2), (2, 3), (3, 3)]
    local = [(shown(hour, minute), shown(hour, minute)) for hour, _ in hours for minute in range(0, 60, 10)]
    write_csv(tmp_path / "a.csv", [(meter, at, until) for meter in "ab" for at, until in local])
    rows, rejects, repaired = read(tmp_path / "a.csv", readings(Csv()))
    expected = [FIRST - timedelta(hours=1) + timedelta(minutes=10 * number) for number in range(24)]
    assert rows == [(meter, at, at) for meter in "ab" for at in expected]
    assert rejects == []
    assert repaired["ambiguous_time"] == 2 * 2 * 12


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_order_tells_over_the_batches_of_a_file(tmp_path: Path, kind: str) -> None:
    meters = [f"m{number}" for number in range(150_000)]
    rows = [(meter, shown(2, 10), shown(2, 20)) for _ in range(2) for meter in meters]
    path = tmp_path / f"a.{kind}"
    frame = pl.DataFrame(rows, ["meter", "at", "until"], orient="row")
    source = readings(Csv())
    if kind == "csv":
        frame.write_csv(path)
    elif kind == "json":
        source = readings(Json(paths={name: f"$.{name}" for name in Readings.column_names()}))
        path.write_text(json.dumps(frame.to_dicts()))
    else:
        source = readings(Parquet())
        times = pl.col("at", "until").str.to_datetime("%Y-%m-%d %H:%M")
        frame.with_columns(times).write_parquet(path)
    found, rejects, _ = read(path, source)
    ten, twenty = timedelta(minutes=10), timedelta(minutes=20)
    assert rejects == []
    assert found[:150_000] == [(meter, FIRST + ten, FIRST + twenty) for meter in meters]
    assert found[150_000:] == [(meter, SECOND + ten, SECOND + twenty) for meter in meters]


def test_a_second_event_that_ends_in_the_same_hour_ends_after_it_begins(tmp_path: Path) -> None:
    event = ("a", shown(2, 30), shown(2, 40))
    write_csv(tmp_path / "a.csv", [event, event, ("a", shown(2, 50), shown(3, 10)), ("b", shown(2, 30), shown(2, 10))])
    rows, rejects, _ = read(tmp_path / "a.csv", readings(Csv()))
    thirty, forty = timedelta(minutes=30), timedelta(minutes=40)
    assert [(at, until) for _, at, until in rows] == [
        (FIRST + thirty, FIRST + forty),
        (SECOND + thirty, SECOND + forty),
        (FIRST + timedelta(minutes=50), SECOND + timedelta(minutes=70)),
    ]
    assert rejects == ["ends_before_it_begins"]


def test_what_says_its_zone_is_what_it_says_however_often(tmp_path: Path) -> None:
    said = ("a", "2026-10-25T02:10:00+02:00", "2026-10-25T02:20:00+02:00")
    write_csv(tmp_path / "a.csv", [said, said, ("a", shown(2, 10), shown(2, 20))])
    rows, _, _ = read(tmp_path / "a.csv", readings(Csv()))
    assert [at for _, at, _ in rows] == [FIRST + timedelta(minutes=10)] * 3


def test_each_file_begins_anew_and_a_key_that_happens_once_has_one_time(tmp_path: Path) -> None:
    event = ("a", shown(2, 30), shown(2, 40))
    for name in ("a.csv", "b.csv"):
        write_csv(tmp_path / name, [event])
        assert read(tmp_path / name, readings(Csv()))[0][0][1] == FIRST + timedelta(minutes=30)
    write_csv(tmp_path / "a.csv", [event, event])
    rows, _, _ = read(tmp_path / "a.csv", readings(Csv(), key=("meter",), happens_once=True))
    assert [at for _, at, _ in rows] == [FIRST + timedelta(minutes=30)] * 2
