"""What there is to draw of an answer's table.

Here: from rows to charts, which are names and numbers. Not here: drawing them (see `report` and `cli.plots`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from dataflow_assets.analytics.base import Answer

_MOST_BARS = 12


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Numbers over the partitions of an answer (a series), or by name in its newest partition.

    `labels` are days or names, `values` their numbers, None where there is none.
    """

    title: str
    about: str
    labels: tuple[str, ...]
    values: tuple[float | None, ...]
    is_series: bool


def charts_of(answer: Answer, rows: pl.DataFrame) -> Iterator[Chart]:
    """The charts of an answer: of one row a partition a series for each number, else its first number by name.

    Args:
        answer: whose table it is.
        rows: of the table, the columns of `answer.schema`; without any there is no chart.
    """
    columns = answer.schema.columns()
    numbers = [name for name, column in columns.items() if column.dtype.is_numeric()]
    names = [name for name, column in columns.items() if column.primary_key and column.dtype == pl.String]
    if rows.is_empty() or not numbers:
        return
    if answer.schema.primary_key() == [answer.grain]:
        for number in numbers:
            yield _series(answer, rows.sort(answer.grain), number)
    elif names:
        yield _bars(answer, rows, names[-1], numbers[0])


def _series(answer: Answer, rows: pl.DataFrame, number: str) -> Chart:
    return Chart(
        title=f"{answer.name}: {number}",
        about=answer.schema.columns()[number].description or "",
        labels=tuple(rows[answer.grain].dt.to_string("%Y-%m-%d")),
        values=tuple(rows[number].cast(pl.Float64)),
        is_series=True,
    )


def _bars(answer: Answer, rows: pl.DataFrame, name: str, number: str) -> Chart:
    newest = max(rows[answer.grain])
    shown = f"{newest:%Y-%m}" if answer.grain == "month" else newest
    of_newest = rows.filter(pl.col(answer.grain) == newest)
    most = of_newest.group_by(name).agg(pl.max(number)).sort(pl.col(number), pl.col(name), descending=[True, False])
    is_once = most.height == of_newest.height
    return Chart(
        title=f"{answer.name}: {number} by {name}, {answer.grain} of {shown}{'' if is_once else ', at most'}",
        about=answer.schema.columns()[number].description or "",
        labels=tuple(most[name].head(_MOST_BARS)),
        values=tuple(most[number].head(_MOST_BARS).cast(pl.Float64)),
        is_series=False,
    )
