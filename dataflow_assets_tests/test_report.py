"""The page of the answers and the charts of a terminal: what they show, and that they need nothing else."""

import math
import re
from datetime import UTC, date, datetime
from html.parser import HTMLParser

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow_assets.analytics import find_answer
from dataflow_assets.analytics.charts import Chart, charts_of
from dataflow_assets.analytics.drawing import draw
from dataflow_assets.cli import plots
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
HEAT_MAP = Chart(
    title="t",
    about="",
    labels=("<a>", "b"),
    values=(2.0, 0.0),
    is_series=False,
    columns=("07:00", "08:00"),
    cells=((2.0, 1.0), (None, 0.0)),
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


def test_an_answer_by_name_and_hour_is_a_heat_map_of_its_newest_day() -> None:
    hours = [datetime(2021, 12, 2, hour, tzinfo=UTC) for hour in (7, 8, 7)]
    found = {"day": DAYS[2], "hour": hours, "movie_title": ["Up", "Up", "Big"], "sessions": [1, 3, 2], "users": 1}
    older = {"day": DAYS[1], "hour": hours[:1], "movie_title": ["Old"], "sessions": [9], "users": 1}
    rows = pl.concat([pl.DataFrame(found), pl.DataFrame(older)], how="vertical_relaxed")
    [chart] = charts_of(find_answer("sessions_in_progress"), rows)
    assert (chart.labels, chart.values, chart.columns) == (("Up", "Big"), (3, 2), ("07:00", "08:00"))
    assert chart.cells == ((1, 3), (2, None))


def test_what_is_no_number_is_not_drawn() -> None:
    rows = pl.DataFrame({"day": DAYS, "sessions": [3, 1, 2], "average_session_seconds": [math.inf, math.nan, 2.5]})
    _, seconds = charts_of(find_answer("average_session"), rows)
    assert seconds.values == (None, 2.5, None)
    assert "nan" not in draw(seconds)


@pytest.mark.parametrize(
    ("most", "ticks"), [(364, [0, 100, 200, 300, 400]), (0.93, [0, 0.25, 0.5, 0.75, 1]), (3, [0, 1, 2, 3])]
)
def test_a_series_stands_beside_round_numbers(most: float, ticks: list[float]) -> None:
    drawn = draw(Chart(title="t", about="", labels=("a", "b"), values=(most, None), is_series=True))
    assert re.findall(r'text-anchor="end">([\d.]+)<', drawn) == [f"{tick:,.6g}" for tick in ticks]


def test_a_page_of_a_heat_map_is_whole() -> None:
    assert page(HEAT_MAP).count('class="heat"') == 4
    tags = Tags()
    tags.feed(page(HEAT_MAP))
    assert tags.open == []


@given(CHARTS)
def test_a_page_is_whole_asks_for_nothing_and_runs_nothing(chart: Chart) -> None:
    text = page(chart)
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert tags.seen <= {
        *("html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "table", "tr", "td", "figure"),
        *("figcaption", "svg", "line", "text", "polyline", "polygon", "circle", "rect"),
    }
    assert not re.search(r"(src|href|url\(|@import)", text.split("</style>")[0])
    assert "nan" not in text.split("<svg")[-1].split("points")[-1].partition('"/>')[0]


def test_a_text_is_no_markup() -> None:
    assert "How &lt;many&gt;?</td><td>1 &amp; 2" in page()


@given(CHARTS, st.integers(min_value=40, max_value=200))
def test_a_chart_fits_the_terminal_and_steers_it_nowhere(chart: Chart, width: int) -> None:
    assert all(len(line) <= width + 8 for line in plots.draw(chart, width))


@pytest.mark.parametrize(
    ("values", "drawn"), [((0, 7, 3.5), "▁█▅"), ((2, 2), "▁▁"), ((None, 1.0, 2.0), " ▁█")], ids=["all", "equal", "gap"]
)
def test_a_series_is_a_line_of_blocks(values: tuple[float | None, ...], drawn: str) -> None:
    labels = tuple(f"2021-12-0{number + 1}" for number in range(len(values)))
    lines = list(plots.draw(Chart(title="t", about="", labels=labels, values=values, is_series=True), 80))
    assert lines[1] == f"  {drawn}"
