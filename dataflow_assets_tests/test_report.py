"""The page of the answers and the charts of a terminal: what they show, and that they need nothing else."""

import re
from datetime import UTC, date, datetime
from html.parser import HTMLParser

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow_assets.analytics import find_answer
from dataflow_assets.analytics.charts import Chart, charts_of
from dataflow_assets.cli.plots import draw
from dataflow_assets.report import render_report

DAYS = [date(2021, 12, day) for day in (3, 1, 2)]
VALUES = st.none() | st.floats(min_value=-1e6, max_value=1e12)
CHARTS = st.lists(st.tuples(st.text(max_size=40), VALUES), min_size=1, max_size=40).flatmap(
    lambda items: st.builds(
        Chart,
        title=st.text(max_size=40),
        about=st.text(max_size=40),
        labels=st.just(tuple(label for label, _ in items)),
        values=st.just(tuple(value for _, value in items)),
        is_series=st.booleans(),
    )
)


def page(*charts: Chart) -> str:
    return render_report("2021", "UTC", datetime(2022, 1, 1, tzinfo=UTC), [("How <many>?", "1 & 2")], charts)


class Tags(HTMLParser):
    """The open tags of a page, each closed in its order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_an_answer_with_a_row_a_day_is_a_series_for_each_number() -> None:
    rows = pl.DataFrame({"day": DAYS, "sessions": [3, 1, 2], "average_session_seconds": [3.5, None, 2.5]})
    sessions, seconds = charts_of(find_answer("average_session"), rows)
    assert sessions.labels == ("2021-12-01", "2021-12-02", "2021-12-03")
    assert (sessions.values, seconds.values) == ((1, 2, 3), (None, 2.5, 3.5))
    assert sessions.about == "sessions that started on the day"


def test_an_answer_by_name_is_bars_of_its_newest_month() -> None:
    months = [date(2021, 11, 1), date(2021, 12, 1), date(2021, 12, 1)]
    rows = pl.DataFrame({"month": months, "nationality": ["danes", "danes", "finns"], "movies": [9, 1, 2]})
    [chart] = charts_of(find_answer("movies_by_author_nationality"), rows)
    assert (chart.labels, chart.values, chart.is_series) == (("finns", "danes"), (2, 1), False)


def test_an_answer_without_rows_has_no_chart() -> None:
    answer = find_answer("average_session")
    assert list(charts_of(answer, answer.schema.create_empty())) == []
    assert "There is nothing to draw yet." in page()


@given(CHARTS)
def test_a_page_is_whole_asks_for_nothing_and_runs_nothing(chart: Chart) -> None:
    text = page(chart)
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert tags.seen <= {
        *("html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "table", "tr", "td", "figure"),
        *("figcaption", "svg", "line", "text", "polyline", "circle", "rect"),
    }
    assert not re.search(r"(src|href|url\(|@import)", text.split("</style>")[0])
    assert "nan" not in text.split("<svg")[-1].split("points")[-1].partition('"/>')[0]


def test_a_text_is_no_markup() -> None:
    assert "How &lt;many&gt;?</td><td>1 &amp; 2" in page()


@given(CHARTS, st.integers(min_value=40, max_value=200))
def test_a_chart_fits_the_terminal_and_steers_it_nowhere(chart: Chart, width: int) -> None:
    assert all(len(line) <= width + 8 for line in draw(chart, width))


@pytest.mark.parametrize(
    ("values", "drawn"), [((0, 7, 3.5), "▁█▅"), ((2, 2), "▁▁"), ((None, 1.0, 2.0), " ▁█")], ids=["all", "equal", "gap"]
)
def test_a_series_is_a_line_of_blocks(values: tuple[float | None, ...], drawn: str) -> None:
    labels = tuple(f"2021-12-0{number + 1}" for number in range(len(values)))
    lines = list(draw(Chart(title="t", about="", labels=labels, values=values, is_series=True), 80))
    assert lines[1] == f"  {drawn}"
