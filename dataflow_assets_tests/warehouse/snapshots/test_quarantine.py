"""Which dumps are complete: the rule, told by examples."""

from datetime import date, timedelta

import pytest

from dataflow_assets.lake.delta.dumps import Dumps
from dataflow_assets.warehouse.snapshots.quarantine import find_quarantined_dumps

FIRST = date(2021, 12, 1)


def held(*rows: int, released: tuple[int, ...] = (), share: float = 0.5) -> list[int]:
    """The numbers of the dumps that are quarantined."""
    days = [FIRST + timedelta(days=number) for number in range(len(rows))]
    found = find_quarantined_dumps(
        Dumps(dict(zip(days, rows, strict=True)), frozenset(days[number] for number in released)), share
    )
    return [days.index(day) for day in found]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ((), []),
        ((1,), []),
        ((10, 5), []),
        ((10, 4), [1]),
        ((10, 4, 4), [1, 2]),
        ((10, 4, 6, 3), [1]),
        ((10, 6, 3), []),
        ((10, 4, 0, 10), [1, 2]),
        ((0,), [0]),
        ((0, 3), [0]),
        ((0, 0, 5), [0, 1]),
    ],
)
def test_a_dump_is_measured_by_the_nearest_earlier_one_that_is_believed(
    rows: tuple[int, ...], expected: list[int]
) -> None:
    assert held(*rows) == expected


@pytest.mark.parametrize(
    ("rows", "released", "expected"),
    [
        ((10, 4, 4), (1,), []),
        ((10, 4, 1, 4), (1,), [2]),
        ((10, 0, 0, 3), (1,), []),
        ((10, 0, 0, 3), (2,), [1]),
        ((0,), (0,), []),
    ],
)
def test_a_released_dump_measures_the_next(
    rows: tuple[int, ...], released: tuple[int, ...], expected: list[int]
) -> None:
    assert held(*rows, released=released) == expected


def test_the_share_is_the_sources() -> None:
    assert held(10, 9, share=0.95) == [1]
    assert held(10, 1, 0, share=0) == [2], "an empty one is held whatever the share"


def test_the_reason_says_what_was_compared() -> None:
    second = FIRST + timedelta(days=1)
    assert find_quarantined_dumps(Dumps({FIRST: 2000, second: 999}, frozenset()), 0.5) == {
        second: "its 999 rows are less than 50% of the 2,000 of 2021-12-01"
    }
    assert find_quarantined_dumps(Dumps({FIRST: 0}, frozenset()), 0.5) == {
        FIRST: "the dump is empty, and there is none before it"
    }
