"""The answers as one page of HTML that needs nothing else: no network, no script, light or dark as the reader likes.

Here: the page. Not here: reading the answers, which charts there are, and drawing them (see `analytics.charts` and
`analytics.drawing`).
"""

from collections.abc import Iterable
from datetime import datetime
from html import escape

from dataflow_assets.analytics.charts import Chart
from dataflow_assets.analytics.drawing import draw

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
.grid { stroke: var(--grid); } .mark, .heat { fill: var(--line); } .area { fill: var(--line); opacity: .1; }
.line { stroke: var(--line); fill: none; stroke-width: 1.8; }
circle { stroke: transparent; stroke-width: 12; }
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


def _figure(chart: Chart) -> str:
    return (
        f"<h2>{escape(chart.title)}</h2>\n<figure>\n<figcaption>{escape(chart.about)}</figcaption>\n"
        f"{draw(chart)}</figure>\n"
    )
