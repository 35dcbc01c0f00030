"""The answers as one page of HTML that needs nothing else: no network, no script, light or dark as the reader likes.

Here: the page and its drawings. Not here: reading the answers, and which charts there are (see `analytics.charts`).
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from html import escape

from dataflow_assets.analytics.charts import Chart

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 720, 200, 64, 24, 12
_Point = tuple[float, float]
_MOST_MARKS = 120  # points of a series that show their number
_STYLE = """
:root { color-scheme: light dark; --ink: #1d2433; --soft: #5b667a; --line: #2f6fde; --grid: #e3e7ee; --paper: #ffffff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6eaf2; --soft: #98a3b8; --line: #7aa7ff; --grid: #2b3342; --paper: #12161f; } }
body { margin: 2rem auto; max-width: 46rem; padding: 0 1rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.05rem; margin: 2rem 0 0; }
p, figcaption, caption { color: var(--soft); margin: .2rem 0 .6rem; }
table { border-collapse: collapse; width: 100%; } td { padding: .35rem 0; border-top: 1px solid var(--grid); }
td + td { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; padding-left: 1rem; }
figure { margin: .5rem 0 1.5rem; } svg { width: 100%; height: auto; }
svg text { fill: var(--soft); font: 11px system-ui, sans-serif; }
.grid { stroke: var(--grid); } .mark { fill: var(--line); }
.line { stroke: var(--line); fill: none; stroke-width: 1.8; }
"""


def render_report(
    period: str, timezone: str, made_at: datetime, lines: Iterable[tuple[str, str]], charts: Iterable[Chart]
) -> str:
    """The page.

    Args:
        period: what the answers are about.
        timezone: in which days and months are cut.
        made_at: when it was made.
        lines: questions and answers.
        charts: what is drawn.
    """
    rows = "".join(f"<tr><td>{escape(title)}</td><td>{escape(value)}</td></tr>\n" for title, value in lines)
    figures = "".join(map(_figure, charts)) or "<p>There is nothing to draw yet.</p>\n"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Answers, {escape(period)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>Answers, {escape(period)}</h1>\n"
        f"<p>Times are those of {escape(timezone)}. Made on {made_at:%Y-%m-%d at %H:%M %Z}.</p>\n"
        f"<table>\n{rows}</table>\n{figures}</body>\n</html>\n"
    )


def draw(chart: Chart) -> str:
    """A chart as SVG, in the classes `grid`, `line` and `mark`."""
    drawing = "".join(_series(chart) if chart.is_series else _bars(chart))
    height = _HEIGHT if chart.is_series else 22 * len(chart.labels) + 4
    return f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(chart.title)}">\n{drawing}</svg>\n'


def _figure(chart: Chart) -> str:
    return (
        f"<h2>{escape(chart.title)}</h2>\n<figure>\n<figcaption>{escape(chart.about)}</figcaption>\n"
        f"{draw(chart)}</figure>\n"
    )


def _series(chart: Chart) -> Iterator[str]:
    """A line over the partitions, broken where there is no number."""
    known = [value for value in chart.values if value is not None]
    most = max([*known, 0.0]) or 1.0
    for share in (0.0, 0.5, 1.0):
        y = _y(share)
        yield f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>\n'
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{most * share:,.6g}</text>\n'
    apart = (_WIDTH - _LEFT - 6) / max(len(chart.values) - 1, 1)
    points = [
        None if value is None else (_LEFT + apart * number, _y(value / most))
        for number, value in enumerate(chart.values)
    ]
    for stretch in _stretches(points):
        yield f'<polyline class="line" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in stretch)}"/>\n'
    if len(points) <= _MOST_MARKS:
        for label, value, point in zip(chart.labels, chart.values, points, strict=True):
            if point:
                title = f"<title>{escape(label)}: {value:,.6g}</title>"
                yield f'<circle class="mark" cx="{point[0]:.1f}" cy="{point[1]:.1f}" r="2.5">{title}</circle>\n'
    for label, x, anchor in ((chart.labels[0], _LEFT, "start"), (chart.labels[-1], _WIDTH - 6, "end")):
        yield f'<text x="{x}" y="{_HEIGHT - 6}" text-anchor="{anchor}">{escape(label)}</text>\n'


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


def _bars(chart: Chart) -> Iterator[str]:
    """A bar for each name."""
    most = max([value for value in chart.values if value is not None] + [0.0]) or 1.0
    for number, (label, value) in enumerate(zip(chart.labels, chart.values, strict=True)):
        y, length = 22 * number + 4, (_WIDTH - 300) * max(value or 0.0, 0.0) / most
        yield f'<text x="214" y="{y + 12}" text-anchor="end">{escape(label[:36])}</text>\n'
        yield f'<rect class="mark" x="222" y="{y + 2}" width="{length:.1f}" height="13" rx="2"/>\n'
        yield f'<text x="{228 + length:.1f}" y="{y + 12}">{value or 0:,.6g}</text>\n'
