"""Which partitions of which answers follow from a change in the warehouse.

Here: that alone, from the days that changed. Not here: finding out what changed, and running anything (see `runs`
and `automation.answers_sensor`).
"""

from collections.abc import Callable, Collection, Mapping, Set
from dataclasses import dataclass
from datetime import date

import dagster as dg

from dataflow_assets.analytics import Answer, all_answers
from dataflow_assets.orchestration.keys import ANALYTICS, PUBLISHED
from dataflow_assets.orchestration.partitions import answer_partitions
from dataflow_assets.orchestration.planning.inputs import days_reached
from dataflow_assets.settings import Settings
from dataflow_assets.sources import find_source
from dataflow_assets.sources.base import Events

Changed = Mapping[str, Set[date]]  # by source: the event days that changed; of a snapshot it does not matter which
Choose = Callable[[Answer, Set[date]], Collection[date]]


@dataclass(frozen=True)
class Affected:
    """Answers of one grain that are to be made for the same partitions, each of which is named by its first day."""

    answers: tuple[Answer, ...]
    days: frozenset[date]

    @property
    def assets(self) -> list[dg.AssetKey]:
        """The answers' tables, and their copies in the published file."""
        return [dg.AssetKey([layer, answer.name]) for answer in self.answers for layer in (ANALYTICS, PUBLISHED)]

    def partitions(self, settings: Settings) -> dg.TimeWindowPartitionsDefinition:
        """The partitions among which the days are."""
        return answer_partitions(settings, self.answers[0])


def affected_partitions(
    changed: Changed,
    loaded: Callable[[Events], Set[date]],
    timezone: str,
    choose: Choose = lambda _, days: days,
) -> list[Affected]:
    """The partitions of answers that may say something else now, those of the same days together, the months last.

    Args:
        changed: what changed in the warehouse.
        loaded: the days that the table of a source holds.
        timezone: the business time zone.
        choose: those among an answer's that are to be made; without it all of them.
    """
    together: dict[tuple[str, frozenset[date]], list[Answer]] = {}
    for answer in all_answers():
        reached = _days(answer, changed, loaded, timezone)
        if reached and (days := frozenset(choose(answer, reached))):
            together.setdefault((answer.grain, days), []).append(answer)
    in_order = sorted(together.items(), key=lambda item: item[0][0])  # "day" is before "month"
    return [Affected(tuple(answers), days) for (_, days), answers in in_order]


def _days(answer: Answer, changed: Changed, loaded: Callable[[Events], Set[date]], timezone: str) -> frozenset[date]:
    sources = [find_source(name) for name in answer.reads]
    # A changed snapshot may change the answer of every day that there is.
    is_all = any(source.name in changed and not isinstance(source, Events) for source in sources)
    days: set[date] = set()
    for source in sources:
        if isinstance(source, Events):
            days |= changed.get(source.name, set()) | (loaded(source) if is_all else set())
    return frozenset(reached for day in days for reached in days_reached(answer, day, timezone))
