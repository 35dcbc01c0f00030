"""Charts for a terminal, of block characters.

Here: drawing. Not here: what is drawn (see `analytics.charts`).
"""

from collections.abc import Iterator

from dataflow_assets.analytics.charts import Chart
from dataflow_assets.core.formatting import one_line, visible

_BLOCKS = "▁▂▃▄▅▆▇█"
_NAME = 24  # characters


def draw(chart: Chart, width: int) -> Iterator[str]:
    """The lines of a chart, none longer than so many characters."""
    yield one_line(chart.title, width)
    known = [value for value in chart.values if value is not None]
    if not known:
        yield "  nothing yet"
    elif chart.is_series:
        least, most = min(known), max(known)
        yield "  " + _sparkline(_thinned(chart.values, width - 2), least, most)
        yield "  " + one_line(f"{chart.labels[0]} to {chart.labels[-1]}, from {least:,.6g} to {most:,.6g}", width - 2)
    else:
        yield from _bars(chart, max(known), width)


def _sparkline(values: list[float | None], least: float, most: float) -> str:
    step = (most - least) / (len(_BLOCKS) - 1) or 1.0
    return "".join(" " if value is None else _BLOCKS[round((value - least) / step)] for value in values)


def _thinned(values: tuple[float | None, ...], width: int) -> list[float | None]:
    """At most so many of the values, evenly spread."""
    if len(values) <= width:
        return list(values)
    return [values[number * len(values) // width] for number in range(width)]


def _bars(chart: Chart, most: float, width: int) -> Iterator[str]:
    room = max(width - _NAME - 16, 8)
    for label, value in zip(chart.labels, chart.values, strict=True):
        length = round(room * (value or 0) / most) if most > 0 else 0
        yield f"  {one_line(visible(label), _NAME):{_NAME}} {'█' * length} {value or 0:,.6g}"
