"""The question of one answer, over any window of time.

Here: what a query asks of it, and asking the warehouse. Not here: any question (see `analytics`), and routes.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from dataflow_assets.analytics.base import Answer
from dataflow_assets.analytics.questions import answer_questions, options_of, parse_questions, sources_read
from dataflow_assets.serving.refusals import UnusableError
from dataflow_assets.sources import Source
from dataflow_assets.warehouse.scan import scan_source

LAST_DAYS = "days"  # in place of the bounds of a window
MOST_DAYS = 3660


def parse_options(answer: Answer, given: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The texts of a question's options, and of `days`.

    Raises:
        UnusableError: one is unknown, or stands twice; or there are two windows.
    """
    start, end, *others = (option.name for option in options_of(answer))
    known = [start, end, *others, LAST_DAYS]
    found: dict[str, str] = {}
    for name, text in given:
        if name not in known:
            raise UnusableError(f"The question of {answer.name} has no option {name!r}; it has {', '.join(known)}.")
        if name in found:
            raise UnusableError(f"The option {name} is given twice.")
        found[name] = text
    days = found.get(LAST_DAYS)
    if days is not None and found.keys() & {start, end}:
        raise UnusableError(f"{LAST_DAYS} is a window, and so are {start} and {end}: give one of them.")
    if days is not None and not (re.fullmatch("[1-9][0-9]{0,3}", days) and int(days) <= MOST_DAYS):
        raise UnusableError(f"{LAST_DAYS}={days} is no number of days from 1 to {MOST_DAYS}.")
    return found


def ask(url: str, timezone: str, answer: Answer, sources: Mapping[str, Source], options: Mapping[str, str]) -> Any:
    """What the question is answered, as values that JSON can hold; `lines` says the same to people.

    Raises:
        WindowError: a text that should be a time is none, or a window ends before it starts.
    """
    days = options.get(LAST_DAYS)
    asked = replace(parse_questions(timezone, options), last_days=int(days) if days else None)
    frames = {name: scan_source(url, sources[name], timezone) for name in sources_read(answer)}
    said = answer_questions(frames, asked, answer)
    assert answer.question
    return said | {"lines": [{"title": title, "value": value} for title, value in answer.question.to_lines(said)]}
