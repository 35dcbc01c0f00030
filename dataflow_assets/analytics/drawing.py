"""Charts as SVG, in classes that a page gives colours to: `grid`, `line`, `area`, `mark` and `heat`.

Here: lines, bars and heat maps. Not here: what is drawn (see `charts`), and pages (see `report` and `serving`).
"""

import math
from collections.abc import Iterator, Sequence
from html import escape

from dataflow_assets.analytics.charts import Chart

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _BOTTOM, _TOP = 560, 190, 58, 8, 24, 10
_ROW, _NAMES, _NAME = 22, 176, 26  # of bars and heat maps: height, width of the names, characters of one
_FEW_MARKS, _MOST_MARKS = 31, 120  # points of a series that are shown large, and that show their number at all
_DATES = 4  # that are written below a series
_Point = tuple[float, float]


def draw(chart: Chart) -> str:
    """A chart as SVG."""
    if chart.is_series:
        height, parts = _HEIGHT, _series(chart)
    else:
        height = _ROW * len(chart.labels) + (_BOTTOM if chart.cells else 4)
        parts = _heat_map(chart) if chart.cells else _bars(chart)
    opening = f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(chart.title)}">'
    return f"{opening}\n{''.join(parts)}</svg>\n"


def round_for_people(value: float | None) -> str:
    """A number in three digits or more; nothing for none."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _series(chart: Chart) -> Iterator[str]:
    """A line over the partitions, broken where there is no number."""
    ticks = _ticks(_most(chart.values))
    for tick in ticks:
        y = _y(tick / ticks[-1])
        yield f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>\n'
        yield _text(_LEFT - 8, y + 4, "end", f"{tick:,.6g}")
    apart = (_WIDTH - _LEFT - _RIGHT) / max(len(chart.values) - 1, 1)
    points = [
        None if value is None else (_LEFT + apart * number, _y(value / ticks[-1]))
        for number, value in enumerate(chart.values)
    ]
    for stretch in _stretches(points):
        below = [(stretch[-1][0], _y(0)), (stretch[0][0], _y(0))]
        yield f'<polygon class="area" points="{_places([*stretch, *below])}"/>\n'
        yield f'<polyline class="line" points="{_places(stretch)}"/>\n'
    if len(points) <= _MOST_MARKS:
        radius = 2.5 if len(points) <= _FEW_MARKS else 1.2
        for label, value, point in zip(chart.labels, chart.values, points, strict=True):
            if point:
                said = f"<title>{escape(label)}: {value:,.6g}</title>"
                yield f'<circle class="mark" cx="{point[0]:.1f}" cy="{point[1]:.1f}" r="{radius}">{said}</circle>\n'
    last = len(chart.labels) - 1
    for number in sorted(
        {round(last * part / (_DATES - 1)) for part in range(_DATES)} if last >= _DATES else {0, last}
    ):
        anchor = "start" if number == 0 else "end" if number == last else "middle"
        yield _text(_LEFT + apart * number, _HEIGHT - 6, anchor, chart.labels[number])


def _bars(chart: Chart) -> Iterator[str]:
    """A bar for each name."""
    most = _most(chart.values)
    for number, (label, value) in enumerate(zip(chart.labels, chart.values, strict=True)):
        y, length = _ROW * number + 4, (_WIDTH - _NAMES - 66) * max(value or 0.0, 0.0) / most
        yield _name(label, y)
        yield f'<rect class="mark" x="{_NAMES}" y="{y + 1}" width="{length:.1f}" height="14" rx="3"/>\n'
        yield _text(_NAMES + length + 6, y + 12, "start", f"{value or 0:,.6g}")


def _heat_map(chart: Chart) -> Iterator[str]:
    """A row for each name, a cell for each column; the more, the stronger."""
    most = _most(chart.values)
    width = (_WIDTH - _NAMES) / len(chart.columns)
    for number, (label, values) in enumerate(zip(chart.labels, chart.cells, strict=True)):
        y = _ROW * number + 2
        yield _name(label, y + 2)
        for place, (column, value) in enumerate(zip(chart.columns, values, strict=True)):
            strength = 0.06 + 0.94 * max(value or 0.0, 0.0) / most
            said = f"<title>{escape(label)}, {escape(column)}: {value or 0:,.6g}</title>"
            yield (
                f'<rect class="heat" x="{_NAMES + place * width:.1f}" y="{y}" width="{max(width - 2, 0.5):.1f}" '
                f'height="{_ROW - 3}" rx="2" fill-opacity="{strength:.2f}">{said}</rect>\n'
            )
    apart = math.ceil(len(chart.columns) / 6)
    for place in range(0, len(chart.columns), apart):
        yield _text(_NAMES + place * width, _ROW * len(chart.labels) + 16, "start", chart.columns[place])


def _text(x: float, y: float, anchor: str, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>\n'


def _name(label: str, y: float) -> str:
    """A name before a row; one that is too long is cut, and shown whole to who points at it."""
    cut = label if len(label) <= _NAME else f"{label[: _NAME - 1]}…"
    return _text(_NAMES - 8, y + 12, "end", cut).replace("</text>", f"<title>{escape(label)}</title></text>")


def _most(values: Sequence[float | None]) -> float:
    most = max([value for value in values if value is not None] + [0.0])
    return most if most > 1e-12 else 1.0


def _ticks(most: float) -> list[float]:
    """From nothing to the most, or a little more, in steps that people count in."""
    power = 10.0 ** math.floor(math.log10(most / 4))
    step = next(part for part in (1, 2, 2.5, 5, 10) if part * power * 4 >= most * 0.999) * power
    return [step * number for number in range(math.ceil(most / step - 0.001) + 1)]


def _places(points: Sequence[_Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _y(share: float) -> float:
    """Where a share of the most stands; what is below nothing stands at the bottom."""
    return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - max(share, 0.0))


def _stretches(points: Sequence[_Point | None]) -> Iterator[list[_Point]]:
    """Each run of points without a gap."""
    run: list[_Point] = []
    for point in [*points, None]:
        if point:
            run.append(point)
        elif run:
            yield run
            run = []
