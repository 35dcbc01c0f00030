"""What is told of a partition: its speed, its line in the run's log, a preview of its rows."""

from datetime import date

import polars as pl
import pytest

from dataflow_assets.orchestration.metadata.metrics import line, preview, speed

DAY = date(2021, 12, 3)


def test_the_line_of_a_day_of_deliveries() -> None:
    counts = {
        "delivered": 10_000,
        "accepted": 9_990,
        "rejected": 10,
        "quarantined": 0,
        "days_touched": 3,
        "rows": 9_990,
    }
    metrics: dict[str, object] = {
        "objects": 2,
        "bytes": 1_200_000,
        **counts,
        "missing_column_names": ["device"],
        "lake_version": 7,
    }
    assert line("lake/streams", DAY, {**metrics, **speed(metrics, 0.4)}) == (
        "lake/streams 2021-12-03: 2 objects, 1.2 MB read, 10,000 rows delivered, 9,990 accepted, 10 rejected, "
        "3 days touched, 9,990 rows kept, 0.40 s, 3.0 MB/s"
    )


def test_the_line_of_a_day_of_an_answer() -> None:
    assert line("analytics/average_session", DAY, {"rows": 1, **speed({"rows": 1}, 0.5)}) == (
        "analytics/average_session 2021-12-03: 1 row kept, 0.50 s, 2.0 rows/s"
    )


def test_the_line_of_a_day_that_was_left_alone() -> None:
    metrics = {"accepted": 5, "rows": 4, "superseded": 1, "is_changed": 0}
    assert line("warehouse/streams", DAY, {**metrics, **speed(metrics, 0.01)}) == (
        "warehouse/streams 2021-12-03: 5 accepted, 1 superseded, 4 rows kept, left as it was, 0.01 s"
    )


@pytest.mark.parametrize("metrics", [{"rows": 5, "is_changed": 0}, {"delivered": 5, "bytes": 0}])
def test_what_was_left_alone_has_no_speed(metrics: dict[str, int]) -> None:
    assert speed(metrics, 2.0) == {"seconds": 2.0}


def test_a_speed_is_of_what_was_read() -> None:
    found = speed({"delivered": 10, "rows": 4, "bytes": 50}, 2.0)
    assert found == {"seconds": 2.0, "rows_per_second": 5, "bytes_per_second": 25}


def test_a_preview_is_short_and_no_value_breaks_it() -> None:
    hostile = "a|b `c` <img src=x> [d](e)\nsecond line" + "x" * 100
    lines = preview(pl.DataFrame({"name": [hostile, *"ABCDEFGHIJKLMN"], "count": range(15)})).splitlines()
    assert lines[:2] == ["| name | count |", "| --- | --- |"]
    assert lines[2] == r"| a\|b \`c\` \<img src=x\> \[d\](e) second linex… | 0 |"
    assert lines[3] == "| A | 1 |"
    assert lines[-2:] == ["", "and 5 more"]
    assert len(lines) == 14


def test_a_preview_shows_a_value_of_single_precision_with_the_digits_that_it_has() -> None:
    rows = pl.DataFrame({"share": [0.1, None]}, schema={"share": pl.Float32})
    assert preview(rows).splitlines()[2:] == ["| 0.1 |", "|  |"]


def test_a_preview_of_nothing_has_the_names() -> None:
    assert preview(pl.DataFrame({"day": [], "share": []})) == "| day | share |\n| --- | --- |"
