"""A tick looks again when there is news, and ends when it found something, or nothing for long enough."""

import threading
from collections.abc import Callable

import dagster as dg
import pytest

from dataflow_assets.orchestration.automation import waiting
from dataflow_assets.orchestration.automation.waiting import Look, look_until_there_is_something
from dataflow_assets.runtime.notices import Notices

NOTHING, SOMETHING = dg.SensorResult(skip_reason="nothing"), dg.SensorResult(run_requests=[dg.RunRequest(run_key="1")])


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Notices:
    heard = Notices()
    heard.is_hearing = True
    monkeypatch.setattr(waiting, "notices", lambda: heard)
    monkeypatch.setattr(waiting, "TICK_SECONDS", 30.0)
    return heard


def looks(
    *said: dg.SensorResult, again_in: float | None = 30.0
) -> tuple[Callable[[str | None], Look], list[str | None]]:
    """A look that says one thing after another, and from which cursors it looked."""
    cursors: list[str | None] = []

    def look(cursor: str | None) -> Look:
        cursors.append(cursor)
        return Look(said[min(len(cursors), len(said)) - 1], again_in)

    return look, cursors


def test_without_news_it_looks_once() -> None:
    look, cursors = looks(NOTHING)
    assert look_until_there_is_something(look, "first") is NOTHING
    assert cursors == ["first"]


def test_news_let_it_look_again_from_where_it_was(heard: Notices) -> None:
    look, cursors = looks(dg.SensorResult(skip_reason="nothing", cursor="second"), SOMETHING)

    def look_before_news(cursor: str | None) -> Look:
        threading.Timer(0.2, heard.tell).start()
        return look(cursor)

    assert look_until_there_is_something(look_before_news, "first") is SOMETHING
    assert cursors == ["first", "second"]


def test_news_that_came_while_it_looked_are_not_slept_over(heard: Notices) -> None:
    cursors: list[str | None] = []

    def look(cursor: str | None) -> Look:
        cursors.append(cursor)
        heard.tell()
        return Look(NOTHING if len(cursors) == 1 else SOMETHING)

    assert look_until_there_is_something(look, None) is SOMETHING


def test_it_looks_again_when_a_look_asks_for_it(heard: Notices) -> None:
    look, cursors = looks(NOTHING, SOMETHING, again_in=0.1)
    assert look_until_there_is_something(look, None) is SOMETHING
    assert len(cursors) == 2


def test_it_ends_after_its_time_without_another_look(heard: Notices, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "TICK_SECONDS", 0.2)
    look, cursors = looks(NOTHING)
    assert look_until_there_is_something(look, None) is NOTHING
    assert len(cursors) == 1


def test_it_ends_where_a_look_says_so(heard: Notices) -> None:
    look, _ = looks(NOTHING, again_in=None)
    assert look_until_there_is_something(look, None) is NOTHING


def test_it_ends_with_its_process(heard: Notices) -> None:
    look, cursors = looks(NOTHING)
    threading.Timer(0.2, heard.end).start()
    assert look_until_there_is_something(look, None) is NOTHING
    assert len(cursors) == 1
