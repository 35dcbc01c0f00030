"""What an answer's declaration may say.

Here: the value object that a file in this package fills in, and the computation of one partition from frames. Not
here: any answer, what may be asked of it over other windows (see `question`), and anything that reads a database or
knows an orchestrator.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

import dataframely as dy
import polars as pl

from dataflow_assets.analytics.question import Question
from dataflow_assets.core.time_windows import Window
from dataflow_assets.sources.base import Events, Source
from dataflow_assets.sources.column_types import refused
from dataflow_assets.sources.names import find_answer_problem, find_column_problems


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A question that is answered again for each day or month.

    `schema` holds the columns of the answer's table, the first of which is a Date named like `grain` (of a
    month: its first day); its primary key says which columns identify a row. `reads` names the sources whose
    warehouse tables it needs.

    Either `compute` says how, as `compute(**{source: LazyFrame}, window=Window)`: it may be given more rows than its
    window needs, and returns the columns of `schema` without the first. Or `statement` does, in SQL (see `sql_file`).
    `question` is what `dataflow answers` asks of it over any window.

    The window begins `trailing_days` before the answer's own day. `reads_overlapping` says that sessions
    count that only overlap the window, so those that started up to the longest duration before it too: of the events
    that it reads some must have one, and each that has an `end_time`.
    """

    name: str
    description: str
    owner: str
    grain: Literal["day", "month"]
    schema: type[dy.Schema]
    reads: tuple[str, ...]
    compute: Callable[..., pl.LazyFrame] | None = None
    statement: str | None = None
    question: Question | None = None
    trailing_days: int = 0
    reads_overlapping: bool = False

    def __post_init__(self) -> None:
        if reason := find_answer_problem(self.name):
            raise ValueError(f"an answer cannot be named {self.name!r}: {reason}")
        name, column = next(iter(self.schema.columns().items()))
        if name != self.grain or not isinstance(column, dy.Date):
            raise ValueError(f"answer {self.name}: the first column must be a Date named {self.grain!r}")
        if self.trailing_days < 0 or (self.grain == "month" and self.trailing_days):
            raise ValueError(f"answer {self.name}: only days have trailing days, and not less than none")
        if (self.compute is None) == (self.statement is None):
            raise ValueError(f"answer {self.name}: give either a function or a statement that computes it")
        if self.question and not (self.compute or self.question.rows):
            raise ValueError(f"answer {self.name}: a question of an answer in SQL needs a function of its own")
        columns = self.schema.columns()
        for problem in (*find_column_problems(columns), *refused(columns)):
            raise ValueError(f"answer {self.name}: {problem}")

    @property
    def given_names(self) -> frozenset[str]:
        """The names of its table, and of the index of that."""
        return frozenset([self.name, f"{self.name}_by_{self.grain}"])

    def window(self, partition_day: date, timezone: str) -> Window:
        """The window that the partition of this day (of a month: its first day) speaks of."""
        if self.grain == "month":
            return Window.of_month(partition_day, timezone)
        return Window.of_days(partition_day - timedelta(days=self.trailing_days), partition_day, timezone)


def compute_partition(
    answer: Answer, frames: Mapping[str, pl.LazyFrame], partition_day: date, timezone: str
) -> pl.LazyFrame:
    """One partition of an answer's table: the columns of `answer.schema`, in its types.

    Args:
        answer: what is asked; one with a function.
        frames: at least the sources that it reads, with the columns of their schemas.
        partition_day: the day, or the first day of the month.
        timezone: the business time zone.
    """
    assert answer.compute, f"{answer.name} is computed in the database"
    read = {source: frames[source] for source in answer.reads}
    found = answer.compute(**read, window=answer.window(partition_day, timezone))
    return answer.schema.cast(found.with_columns(pl.lit(partition_day, pl.Date).alias(answer.grain)))


def wrong_reads(answers: Collection[Answer], sources: Collection[Source]) -> Iterator[str]:
    """A sentence for each answer that reads nothing, or something else than sources."""
    names = [source.name for source in sources]
    for answer in answers:
        if not answer.reads:
            yield f"answer {answer.name}: it reads no source, which say when it is made again and who may see it"
        for name in answer.reads:
            if name not in names:
                yield f"answer {answer.name}: it reads {name!r}, which is none of the sources {', '.join(names)}"


def wrong_overlaps(answers: Collection[Answer], sources: Collection[Source]) -> Iterator[str]:
    """A sentence for each answer that needs to know how long events last and reads none that say so."""
    for answer in filter(lambda answer: answer.reads_overlapping, answers):
        events = [source for source in sources if source.name in answer.reads and isinstance(source, Events)]
        if not any(source.longest is not None for source in events):
            yield (
                f"answer {answer.name}: events that overlap its window need an end, and none of "
                f"{', '.join(answer.reads)} has one: declare end_time and longest of a source, or leave out "
                "reads_overlapping"
            )
        for source in events:
            if source.end_time is not None and source.longest is None:
                yield (
                    f"answer {answer.name}: how long before its window events of {source.name} may have started that "
                    "overlap it, only their longest duration tells: declare longest of that source"
                )
