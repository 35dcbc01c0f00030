"""What there is to draw of an answer's table.

Here: from rows to charts, which are names and numbers. Not here: drawing them (see `drawing` and `cli.plots`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import polars as pl

from dataflow_assets.analytics.base import Answer

_MOST_BARS = 12


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Numbers over the partitions of an answer (a series), or by name in its newest partition.

    `labels` are days or names, `values` their numbers, None where there is none. Where names have a number at each of
    several instants, `columns` are these instants, `cells` the numbers of each name, and `values` the most of each.
    """

    title: str
    about: str
    labels: tuple[str, ...]
    values: tuple[float | None, ...]
    is_series: bool
    columns: tuple[str, ...] = ()
    cells: tuple[tuple[float | None, ...], ...] = ()


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
        newest = rows.filter(pl.col(answer.grain) == pl.max(answer.grain))
        bars = _bars(answer, newest, names[-1], numbers[0])
        instants = [name for name, column in columns.items() if column.primary_key and column.dtype == pl.Datetime]
        yield _heat_map(bars, newest, instants[0], names[-1], numbers[0]) if instants else bars


def _series(answer: Answer, rows: pl.DataFrame, number: str) -> Chart:
    return Chart(
        title=f"{answer.name}: {number}",
        about=answer.schema.columns()[number].description or "",
        labels=tuple(rows[answer.grain].dt.to_string("%Y-%m-%d")),
        values=_finite(rows[number]),
        is_series=True,
    )


def _bars(answer: Answer, rows: pl.DataFrame, name: str, number: str) -> Chart:
    partition = rows[answer.grain][0]
    shown = f"{partition:%Y-%m}" if answer.grain == "month" else partition
    of_what = f"{number} by {name}, {answer.grain} of {shown}"
    most = rows.group_by(name).agg(pl.max(number)).sort(pl.col(number), pl.col(name), descending=[True, False])
    return Chart(
        title=f"{answer.name}: {of_what}{', at most' if most.height < rows.height else ''}",
        about=answer.schema.columns()[number].description or "",
        labels=tuple(most[name].head(_MOST_BARS)),
        values=_finite(most[number].head(_MOST_BARS)),
        is_series=False,
    )


def _heat_map(bars: Chart, rows: pl.DataFrame, instant: str, name: str, number: str) -> Chart:
    """The same names with their numbers at each instant."""
    found = {(at, label): float(value) for at, label, value in rows.select(instant, name, number).iter_rows()}
    instants = sorted({at for at, _ in found})
    form = "%H:%M" if len({at.date() for at in instants}) == 1 else "%m-%d %H:%M"
    return replace(
        bars,
        about=f"{bars.about}, by {instant} (UTC)",
        columns=tuple(f"{at:{form}}" for at in instants),
        cells=tuple(tuple(found.get((at, label)) for at in instants) for label in bars.labels),
    )


def _finite(numbers: pl.Series) -> tuple[float | None, ...]:
    values = numbers.cast(pl.Float64)
    return tuple(values.set(~values.is_finite(), None))
