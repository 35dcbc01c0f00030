"""Which partitions of which answers follow from a change, by the days alone."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from dataflow_assets.analytics import find_answer
from dataflow_assets.orchestration.planning import downstream
from dataflow_assets.orchestration.planning.downstream import Affected, Changed, affected_partitions
from dataflow_assets.orchestration.planning.inputs import days_read
from dataflow_assets.sources.base import Events

FIFTH, NINTH = date(2021, 12, 5), date(2021, 12, 9)
MONTHLY = "movies_by_author_nationality"
OF_A_DAY = "average_session book_based_share median_session_size"


def days(first: date, count: int) -> set[date]:
    return {first + timedelta(days=number) for number in range(count)}


def reached(changed: Changed, *, timezone: str = "UTC", loaded: frozenset[date] = frozenset()) -> list[Affected]:
    def loaded_days(source: Events) -> frozenset[date]:
        assert source.name == "streams"
        return loaded

    return affected_partitions(changed, loaded_days, timezone)


def by_name(found: list[Affected]) -> dict[str, set[date]]:
    return {" ".join(answer.name for answer in together.answers): set(together.days) for together in found}


@pytest.mark.parametrize(("timezone", "longest"), [("UTC", 2), ("Europe/Paris", 3)])
def test_days_of_events_reach_what_reads_them(timezone: str, longest: int) -> None:
    # A session lasts two days at most; where clocks change, that may reach over one more.
    assert by_name(reached({"streams": {FIFTH}}, timezone=timezone)) == {
        OF_A_DAY: {FIFTH},
        "sessions_in_progress": days(FIFTH, 1 + longest),
        "engaged_users": days(FIFTH, 7 + longest),
        MONTHLY: {date(2021, 12, 1)},
    }


def test_days_between_are_not_reached() -> None:
    found = by_name(reached({"streams": {FIFTH, NINTH}}))
    assert found[OF_A_DAY] == {FIFTH, NINTH}
    assert found["sessions_in_progress"] == days(FIFTH, 3) | days(NINTH, 3)
    assert found[MONTHLY] == {date(2021, 12, 1)}


def test_the_first_of_a_month_is_a_day_and_a_month_apart() -> None:
    found = reached({"streams": {date(2021, 12, 1)}})
    assert [together.answers[0].grain for together in found if together.days == {date(2021, 12, 1)}] == ["day", "month"]


@pytest.mark.parametrize("timezone", ["UTC", "Europe/Paris"])
def test_what_an_answer_reads_reaches_it_also_over_the_end_of_a_month(
    monkeypatch: pytest.MonkeyPatch, timezone: str
) -> None:
    overlapping = replace(find_answer(MONTHLY), reads_overlapping=True)
    monkeypatch.setattr(downstream, "all_answers", lambda: (overlapping,))
    months = [date(2021, 12, 1), date(2022, 1, 1), date(2022, 2, 1), date(2022, 3, 1)]
    for day in days(date(2021, 12, 20), 60):
        reading = {month for month in months if day in days_read(overlapping, month, timezone)}
        assert by_name(reached({"streams": {day}}, timezone=timezone)) == {MONTHLY: reading}
    assert by_name(reached({"streams": {date(2022, 1, 31)}})) == {MONTHLY: {date(2022, 1, 1), date(2022, 2, 1)}}


def test_a_snapshot_reaches_every_loaded_day_of_what_reads_it() -> None:
    found = by_name(reached({"movies": set()}, loaded=frozenset({FIFTH})))
    assert found == {"engaged_users": days(FIFTH, 9)}
    assert by_name(reached({"users": set()}, loaded=frozenset({FIFTH}))) == {}
    both = by_name(reached({"movies": set(), "streams": {NINTH}}, loaded=frozenset({FIFTH, NINTH})))
    assert both["engaged_users"] == days(FIFTH, 13)
    assert both["sessions_in_progress"] == days(NINTH, 3)


def test_nothing_is_reached_by_nothing() -> None:
    assert reached({}) == []
    assert reached({"streams": set()}) == []
    assert reached({"movies": set()}) == []
