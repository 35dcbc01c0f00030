"""Which dumps of a snapshot are complete, and which are quarantined because they may be cut short.

Here: that alone, as a pure function of all dumps that there are, so that it does not matter which came first. Not here:
where the dumps come from, and what is done with them (see `load`).
"""

from datetime import date

from dataflow_assets.lake.delta.dumps import Dumps


def find_quarantined_dumps(dumps: Dumps, smallest_share: float) -> dict[date, str]:
    """The delivery days whose dumps are quarantined, and why.

    A dump is measured by the nearest earlier one that is complete, so that the second of two that were cut short is
    quarantined too. An empty one is quarantined unless that one is empty. A released one is complete, and measures the
    next.

    Args:
        dumps: all of one source.
        smallest_share: how many of the rows of the one before a dump has at least.
    """
    quarantined: dict[date, str] = {}
    last_day, last_rows = None, 0
    for day, rows in sorted(dumps.rows.items()):
        is_small = rows < smallest_share * last_rows or (rows == 0 and (last_day is None or last_rows > 0))
        if is_small and day not in dumps.released:
            quarantined[day] = _reason(rows, last_day, last_rows, smallest_share)
        else:
            last_day, last_rows = day, rows
    return quarantined


def _reason(rows: int, last_day: date | None, last_rows: int, smallest_share: float) -> str:
    if last_day is None:
        return "the dump is empty, and there is none before it"
    if rows == 0:
        return f"the dump is empty, and that of {last_day} has {last_rows:,} rows"
    return f"its {rows:,} rows are less than {smallest_share:.0%} of the {last_rows:,} of {last_day}"
