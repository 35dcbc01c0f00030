"""A large request is shared out among all workers, so that they end at about the same time."""

from hypothesis import example, given
from hypothesis import strategies as st

from dataflow_assets.orchestration.planning.shares import LEAST_BYTES, MOST_BYTES, PART_BYTES, cut_shares, weigh

GIB = 1 << 30


def end_of(sizes: list[int], slots: int) -> tuple[float, int]:
    """When the last of some workers ends, each of which takes the next run as it is free, and how many runs there are.

    A byte takes one unit of time.
    """
    free, start, runs = [0] * slots, 0, list(cut_shares(sizes, slots))
    for count in runs:
        free.sort()
        free[0] += weigh(sizes[start : start + count])
        start += count
    assert start == len(sizes)
    return max(free), len(runs)


@given(st.lists(st.integers(0, 12 * GIB), max_size=400), st.integers(1, 16))
@example([0] * 120, 4)
def test_no_worker_waits_long_for_the_last_one(sizes: list[int], slots: int) -> None:
    last, _ = end_of(sizes, slots)
    fair, largest = weigh(sizes) / slots, max((weigh([size]) for size in sizes), default=0)
    assert last <= fair + max(largest, LEAST_BYTES) * (1 + 1 / slots)


@given(st.lists(st.integers(0, 12 * GIB), min_size=1, max_size=400), st.integers(1, 16))
def test_no_run_is_larger_than_its_share_and_than_what_may_be_lost(sizes: list[int], slots: int) -> None:
    start = 0
    for count in cut_shares(sizes, slots):
        taken, left = weigh(sizes[start : start + count]), weigh(sizes[start:])
        assert count == 1 or taken <= min(max(left / slots, LEAST_BYTES), MOST_BYTES)
        start += count


def test_small_days_are_few_runs_and_large_ones_become_smaller_towards_the_end() -> None:
    assert list(cut_shares([0] * 120, 1)) == [120]
    assert list(cut_shares([0] * 120, 2)) == [60, 30, 16, 14]
    assert list(cut_shares([0] * 10, 4)) == [10]
    large = list(cut_shares([GIB - PART_BYTES] * 20, 4))
    assert large == sorted(large, reverse=True)
    assert (sum(large), large[0], large[-1]) == (20, 5, 1)
