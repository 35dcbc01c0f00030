"""The quick way of reading times gives what the formats give."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from dataflow_assets.lake.validation.timestamps import with_instants
from dataflow_assets.sources.streams import SOURCE
from dataflow_assets.sources.time_formats import read_times

_DIGITS = st.text("0123456789", min_size=2, max_size=2)
_USUAL = st.builds(
    "{}-{}-{}T{}:{}:{}{}{}".format,
    st.sampled_from(["2021", "2020", "0001", "9999", "0000"]),
    *[_DIGITS] * 5,
    st.sampled_from(["", ".5", ".123", ".1234", ".123456", ".123456789"]),
    st.sampled_from(["Z", "+0000", "+00:00", "-0000", "+0130", "-03:00", "", " "]),
)
_TIMES = st.datetimes().map(lambda time: time.isoformat() + "+00:00")


@st.composite
def _damaged(draw: st.DrawFn) -> str:
    text, place = draw(_USUAL | _TIMES), draw(st.integers(0, 30))
    return text[:place] + draw(st.sampled_from(["", "0", "9", "T", "+", " ", ":", "é", "\0"])) + text[place + 1 :]


@given(st.lists(st.none() | _USUAL | _TIMES | _damaged(), min_size=1, max_size=30))
def test_what_the_first_text_looks_like_decides_nothing(texts: list[str | None]) -> None:
    frame = pl.DataFrame({"at": texts}, schema={"at": pl.String})
    expected = frame.select(read_times(pl.col("at"), "%+").dt.replace_time_zone("UTC"))
    assert with_instants(frame, {"at": "instant"}, SOURCE)["instant"].to_list() == expected["at"].to_list()
