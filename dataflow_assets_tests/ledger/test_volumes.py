"""What is unusual about the rows of a day, told by examples."""

from datetime import date, timedelta

import pytest

from dataflow_assets.ledger.volumes import describe_unusual_volume

DAY = date(2021, 12, 31)


def days(*rows: int) -> dict[date, int]:
    """The rows of the days before, the newest last."""
    return {DAY - timedelta(days=len(rows) - number): count for number, count in enumerate(rows)}


@pytest.mark.parametrize(
    ("rows", "is_over", "is_unusual"),
    [
        (100, True, False),
        (50, True, False),
        (49, True, True),
        (0, True, True),
        (49, False, False),
        (0, False, False),
        (200, False, False),
        (201, False, True),
    ],
)
def test_between_half_and_twice_the_median_is_usual(rows: int, is_over: bool, is_unusual: bool) -> None:
    before = days(1, 90, 100, 0, 100, 110, 5_000, 100)
    assert bool(describe_unusual_volume(before | {DAY: rows}, DAY, is_over=is_over)) == is_unusual


def test_days_without_rows_and_days_long_ago_do_not_count() -> None:
    assert describe_unusual_volume(days(*[100] * 6, *[0] * 20) | {DAY: 1}, DAY, is_over=True) is None
    assert describe_unusual_volume(days(*[100] * 7, *[0] * 28) | {DAY: 1}, DAY, is_over=True) is None
    assert describe_unusual_volume(days(*[100] * 7, *[0] * 20) | {DAY: 1}, DAY, is_over=True) == (
        "1 rows, where 100 are usual (the median of the 7 days with rows before)"
    )


def test_later_days_say_nothing_of_a_day() -> None:
    later = {DAY + timedelta(days=number): 1_000 for number in range(1, 9)}
    assert describe_unusual_volume(days(*[10] * 7) | {DAY: 10} | later, DAY, is_over=True) is None
