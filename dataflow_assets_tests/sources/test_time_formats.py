"""Formats of times: what each reads, and that one which does not keep its instants is refused when it is declared."""

from datetime import datetime

import polars as pl
import pytest

from dataflow_assets.sources.time_formats import has_zone, read_times, wrong_formats

KEPT = (
    *("%+", "%s", "epoch_seconds", "epoch_milliseconds", "epoch_microseconds", "%s%.f"),
    *("%Y-%m-%d", "%Y%m%d", "%d.%m.%Y", "%y-%m-%d", "%d %b %Y", "%A %d %B %Y", "%G-W%V-%u", "%Y-%j", "%v", "%D"),
    *("%Y-%m-%d %H:%M", "%d/%m/%Y %I:%M:%S %p", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M:%S.%6f", "%F %T", "%c"),
    *("%Y%m%d%H%M%S%3f", "%Y-%m-%dT%H:%M:%S.%3fZ", "%Y-%m-%d %H:%M:%S %z", "%Y-%m-%d %H:%M:%S%:z", "%F %T%#z"),
)


@pytest.mark.parametrize("time_format", KEPT)
def test_a_format_that_keeps_its_instants_may_be_declared(time_format: str) -> None:
    assert list(wrong_formats((time_format,))) == []


@pytest.mark.parametrize(
    ("time_format", "said"),
    [
        ("%Y-%m-%d %H:%M:%S.%f", "which is read as 1999-12-31 23:59:58.000123; write %.f, without a point before it"),
        ("%Y-%m-%d %H:%M:%S %Z", "names of zones, such as CET, are not read; use %z"),
        ("%Q", "cannot format"),
        ("%H:%M %p", "both 12-hour directive and meridiem"),
        ("%Y-%m-%d %H:%M %p", "both 12-hour directive and meridiem"),
        ("%Y-%m-%d %I:%M", "both 12-hour directive and meridiem"),
        ("%Y-%m-%dT%H", "both hour and minute"),
        ("%Y-%m", "is written '1999-12', which is read as 1999-12-01 00:00:00"),
        ("%d/%m", "which is read as None"),
        ("%5", "cannot format"),
        ("epoch_weeks", "which is read as None"),
        ("", "which is read as None"),
    ],
)
def test_a_format_that_does_not_is_refused_with_a_sentence(time_format: str, said: str) -> None:
    [sentence] = wrong_formats(("%+", time_format))
    assert sentence.startswith(f"the time format {time_format!r} cannot be used: ")
    assert said in sentence


def test_a_source_has_a_format() -> None:
    assert list(wrong_formats(())) == ["there is no time format"]


@pytest.mark.parametrize(
    ("text", "time_format", "expected"),
    [
        ("2025-12-31T10:00Z", "%+", "2025-12-31T10:00:00"),  # Java leaves zero seconds out
        ("2025-12-31T10:00:00.123456789Z", "%+", "2025-12-31T10:00:00.123456"),
        ("2025-12-31 10:00:00+00", "%+", "2025-12-31T10:00:00"),  # PostgreSQL
        ("2025-12-31 10:00:00.5+05:30", "%+", "2025-12-31T04:30:00.500000"),
        ("2025-12-31 10:00:00-03", "%+", "2025-12-31T13:00:00"),
        ("2025-12-31t10:00:00z", "%+", "2025-12-31T10:00:00"),
        ("2025-12-31T10:00:00,5Z", "%+", "2025-12-31T10:00:00.500000"),
        ("2025-12-31T10:00:00-0330", "%+", "2025-12-31T13:30:00"),
        ("9999-12-31T23:59:59.999999Z", "%+", "9999-12-31T23:59:59.999999"),
        ("0001-01-01T00:00:00Z", "%+", "0001-01-01T00:00:00"),
        ("9999-12-31T23:59:59-05:00", "%+", None),
        ("0001-01-01T00:00:00+01:00", "%+", None),
        ("2025-12-31T10:00:00", "%+", None),
        ("2025-12-31T24:00:00Z", "%+", None),
        ("21-12-31T10:00:00Z", "%+", None),
        ("21-12-31", "%Y-%m-%d", None),
        ("0021-12-31", "%Y-%m-%d", "0021-12-31T00:00:00"),
        ("21-12-31", "%y-%m-%d", "2021-12-31T00:00:00"),
        ("2025-12-31 10:00:00.5", "%Y-%m-%d %H:%M:%S%.f", "2025-12-31T10:00:00.500000"),
        ("1640995199", "%s", "2021-12-31T23:59:59"),
        ("1763632800", "epoch_seconds", "2025-11-20T10:00:00"),
        ("1763632800.1234567", "epoch_seconds", "2025-11-20T10:00:00.123456"),
        ("-1.5", "epoch_seconds", "1969-12-31T23:59:58.500000"),
        ("1763632800000", "epoch_seconds", None),
        ("1763632800000", "epoch_milliseconds", "2025-11-20T10:00:00"),
        ("1763632800000.5", "epoch_milliseconds", "2025-11-20T10:00:00.000500"),
        ("253402300799999", "epoch_milliseconds", "9999-12-31T23:59:59.999000"),
        ("253402300800000", "epoch_milliseconds", None),
        ("1763632800000001", "epoch_microseconds", "2025-11-20T10:00:00.000001"),
        ("9" * 19, "epoch_microseconds", None),
        ("1e5", "epoch_seconds", None),
        ("", "epoch_seconds", None),
    ],
)
def test_a_text_is_read_exactly_or_not_at_all(text: str, time_format: str, expected: str | None) -> None:
    found = pl.select(read_times(pl.lit(text), time_format)).item()
    assert found == (datetime.fromisoformat(expected) if expected else None)


def test_a_format_with_an_offset_or_of_seconds_since_1970_needs_no_time_zone() -> None:
    assert all(map(has_zone, ("%+", "%s", "epoch_milliseconds", "%F %T%z", "%F %T%:z", "%Y-%m-%dT%H:%M:%SZ")))
    assert not any(map(has_zone, ("%Y-%m-%d", "%F %T", "%d/%m/%Y %I:%M %p")))
