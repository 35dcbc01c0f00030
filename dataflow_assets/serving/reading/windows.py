"""Which days of an event table a page is read from, so that no more is sorted than a page needs.

Here: the rule, on numbers. Not here: reading anything (see `rows`).

Each day's table has an index by id alone, that of a merged month one by day and id, so only a statement about one day
is sure to read its rows in order; one about several days sorts all of them. A day with few rows is read together with
its neighbours, a large one by itself, and the further a page has to look for rows, the more it looks at at once.
"""

from collections.abc import Iterable, Iterator
from datetime import date

FIRST_ROWS = 20_000  # that are sorted at once; twice as many for each further window


def windows(days: Iterable[tuple[date, int]], rows: int = FIRST_ROWS) -> Iterator[tuple[date, date]]:
    """The first and the last day of each window, in the order of the days.

    Args:
        days: each with the number of its rows, in the order in which they are read, forwards or backwards.
        rows: how many the first window may have; a single day may have more.
    """
    start = end = None
    held = 0
    for day, count in days:
        if start is not None and end is not None and held + count > rows:
            yield min(start, end), max(start, end)
            start, held, rows = None, 0, rows * 2
        start, end, held = start or day, day, held + count
    if start is not None and end is not None:
        yield min(start, end), max(start, end)
