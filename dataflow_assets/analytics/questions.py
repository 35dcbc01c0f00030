"""The questions of all answers over any window of time, asked at once.

Here: which options there are, which window a question gets when none is named, and the replies as one JSON-able value
or as a table for a terminal. Not here: any question, and reading the warehouse.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from dataflow_assets.analytics import Answer, all_answers
from dataflow_assets.analytics.question import Days, Option, Question, Reply, bounds, show_period
from dataflow_assets.analytics.sessions import days_with_sessions
from dataflow_assets.core.time_windows import Window, parse_instant

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NEVER = Window(_EPOCH, _EPOCH)
_SESSIONS = "streams"  # the source whose sessions bound what is asked


@dataclass(frozen=True, kw_only=True)
class Questions:
    """What is asked: the value of each option, and the instants (UTC) of those that are times; see `parse_questions`.

    Days, months and hours are those of `timezone`; a session's day is that of its start. `last_days`: so many days, up
    to the last one with a session, are the window of every question, whatever the instants are; None: they are not.
    """

    timezone: str
    options: Mapping[str, str]
    instants: Mapping[str, datetime]
    last_days: int | None = None


def all_options() -> list[Option]:
    """The options of all questions: first the window of all sessions.

    Raises:
        ValueError: two questions have an option of one name.
    """
    options = [*_bound_options()]
    for _, question in _asked():
        options += question.options
    if twice := [name for name, count in Counter(option.name for option in options).items() if count > 1]:
        raise ValueError(f"two questions have the option {', '.join(twice)}")
    return options


def options_of(answer: Answer) -> list[Option]:
    """The options of the question of one answer: the bounds of its window first."""
    assert answer.question, f"{answer.name} has no question"
    own = answer.question.window
    names = (f"{own.name}_from", f"{own.name}_to") if own else ("from", "to")
    return [*(option for option in _bound_options() if option.name in names), *answer.question.options]


def sources_read(answer: Answer | None = None) -> set[str]:
    """The names of the sources that the question of an answer needs, or those that all questions do."""
    return {_SESSIONS}.union(*(asked.reads for asked, _ in _asked(answer)))


def parse_questions(timezone: str, given: Mapping[str, str | None]) -> Questions:
    """What is asked by the texts of options; those that are not given, or None, have their defaults.

    Raises:
        WindowError: a text that should be a time is none.
    """
    defaults = {option.name: option.default for option in all_options()}
    texts = {**defaults, **{name: text for name, text in given.items() if text is not None}}
    options = {name: text for name, text in texts.items() if text is not None}
    times = [option.name for option in _bound_options() if option.name in options]
    return Questions(
        timezone=timezone,
        options=options,
        instants={name: parse_instant(options[name], timezone) for name in times},
    )


def answer_questions(
    frames: Mapping[str, pl.DataFrame | pl.LazyFrame], questions: Questions, answer: Answer | None = None
) -> dict[str, Any]:
    """Answer the questions from the warehouse's tables.

    Args:
        frames: those of `sources_read`, with the columns of their schemas.
        questions: what is asked.
        answer: whose question is asked; None: those of all answers.

    Returns:
        Values that JSON can hold: times as ISO texts in the business time zone; averages, medians and
        shares null where there is nothing to take them of; without any session and bounds, times are null too.
    """
    tables = {source: frame.lazy() for source, frame in frames.items()}
    days = days_with_sessions(tables[_SESSIONS], questions.timezone)
    questions = _within_last_days(questions, days)
    everything = _window_of_everything(questions, days)
    asked = [(of, question, _window(question, questions, days, everything)) for of, question in _asked(answer)]
    queries = [_query(of, question, tables, window, questions) for of, question, window in asked]
    result: dict[str, Any] = {"timezone": questions.timezone, **bounds(everything, questions.timezone)}
    for (of, question, window), rows in zip(asked, pl.collect_all(queries, engine="streaming"), strict=True):
        reply = Reply(rows=rows, window=window, timezone=questions.timezone, options=questions.options)
        said = question.to_json(reply)
        if twice := result.keys() & said.keys():
            raise ValueError(f"the question of {of.name} says {sorted(twice)}, and so does another one")
        result |= said
    return result


def answer_lines(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Of what `answer_questions` returned, pairs of a title and a value, for a person."""
    for _, question in _asked():
        yield from question.to_lines(result)


def render_table(result: Mapping[str, Any]) -> Table:
    """What `answer_questions` returned, for a terminal of 80 columns."""
    caption = f"Times are those of {result['timezone']}."
    table = Table(title=show_period(result), caption=caption, width=80, box=SIMPLE_HEAD, show_edge=False)
    table.add_column("Question", overflow="fold")
    table.add_column("Answer", justify="right", overflow="fold")
    for title, value in answer_lines(result):
        table.add_row(escape(title), escape(value))
    return table


def _asked(only: Answer | None = None) -> Iterator[tuple[Answer, Question]]:
    """The answers that have a question, by name; or one of them."""
    answers = all_answers() if only is None else (only,)
    return ((answer, answer.question) for answer in answers if answer.question)


def _bound_options() -> Iterator[Option]:
    """The options that are bounds of windows."""
    yield Option(name="from", help="First instant that counts.")
    yield Option(name="to", help="First instant that no longer counts.")
    for _, question in _asked():
        if own := question.window:
            yield Option(name=f"{own.name}_from", help=own.from_help)
            yield Option(name=f"{own.name}_to", help=own.to_help)


def _query(
    answer: Answer,
    question: Question,
    tables: Mapping[str, pl.LazyFrame],
    window: Window | None,
    questions: Questions,
) -> pl.LazyFrame:
    rows = question.rows or answer.compute
    assert rows, f"{answer.name} has a question and no function"
    read = {source: tables[source] for source in answer.reads}
    told = {option.name: questions.options[option.name] for option in question.options}
    return rows(**read, **told, window=window or _NEVER)


def _within_last_days(questions: Questions, days: Days | None) -> Questions:
    """What is asked, with its last days as the bounds of every window; no earlier ones than there are sessions of."""
    if questions.last_days is None or days is None:
        return questions
    first = date.fromordinal(max(days[0].toordinal(), days[1].toordinal() - questions.last_days + 1))
    window = Window.of_days(first, days[1], questions.timezone)
    names = [option.name for option in _bound_options()]
    return replace(questions, instants={name: window.start if name.endswith("from") else window.end for name in names})


def _window(question: Question, questions: Questions, days: Days | None, everything: Window | None) -> Window | None:
    """The window of a question: its own, or that of all sessions."""
    own = question.window
    if own is None:
        return everything
    default = own.default(questions.timezone, days)
    start, end = (questions.instants.get(f"{own.name}_{bound}") for bound in ("from", "to"))
    if default:
        start, end = start or default.start, end or default.end
    return _between(start, end)


def _window_of_everything(questions: Questions, days: Days | None) -> Window | None:
    """The window of the questions about all sessions; a single bound beyond all sessions leaves it empty."""
    start, end = questions.instants.get("from"), questions.instants.get("to")
    if days:
        everything = Window.of_days(*days, questions.timezone)
        start = start or min(everything.start, end or everything.start)
        end = end or max(everything.end, start)
    return _between(start, end)


def _between(start: datetime | None, end: datetime | None) -> Window | None:
    """The window of two bounds; empty with one of them, none without any."""
    start, end = start or end, end or start
    return Window(start, end) if start and end else None
