"""What we answer: one answer per file of this package, found by itself.

Add an answer by adding a file with an `ANSWER`, or a file of SQL (see `sql_file`); nothing here changes. The other
files hold what answers share (`sessions`), what they may say (`base`, `question`), and what is done with all of them
(`questions`, `lineage`).

An answer needs no database: give it frames.

    >>> from datetime import UTC, date, datetime
    >>> import polars as pl
    >>> from dataflow_assets.analytics import compute_partition, find_answer
    >>> session = {"start_at": datetime(2021, 12, 5, 20, tzinfo=UTC), "end_at": datetime(2021, 12, 5, 21, tzinfo=UTC)}
    >>> frames = {"streams": pl.LazyFrame([session])}
    >>> compute_partition(find_answer("average_session"), frames, date(2021, 12, 5), "UTC").collect().rows()
    [(datetime.date(2021, 12, 5), 1, 3600.0)]
"""

from functools import cache
from pathlib import Path

from dataflow_assets.analytics.base import Answer, compute_partition, wrong_overlaps, wrong_reads
from dataflow_assets.analytics.sql_file import read_sql_answer
from dataflow_assets.core.declarations import import_declarations
from dataflow_assets.core.suggestions import suggest
from dataflow_assets.errors import DeclarationError, NotFoundError
from dataflow_assets.sources import all_sources
from dataflow_assets.sources.names import find_collisions, find_wrong_owners

__all__ = ["Answer", "all_answers", "compute_partition", "find_answer"]


@cache
def all_answers() -> tuple[Answer, ...]:
    """Every declared answer, by name.

    Raises:
        DeclarationError: one of them cannot be used, two would give something the same name, one reads what is no
            source, or needs the end of events that have none.
    """
    answers = [module.ANSWER for module in import_declarations(__name__, __path__) if hasattr(module, "ANSWER")]
    answers += [read_sql_answer(path) for folder in __path__ for path in Path(folder).glob("*.sql")]
    names = (*find_collisions("answers", answers), *find_wrong_owners("answer", answers))
    for problem in (*names, *wrong_reads(answers, all_sources()), *wrong_overlaps(answers, all_sources())):
        raise DeclarationError(problem)
    return tuple(sorted(answers, key=lambda answer: answer.name))


def find_answer(name: str) -> Answer:
    """The answer of that name.

    Raises:
        NotFoundError: naming the answers there are.
    """
    for answer in all_answers():
        if answer.name == name:
            return answer
    known = ", ".join(answer.name for answer in all_answers())
    near = suggest(name, [answer.name for answer in all_answers()])
    raise NotFoundError(f"There is no answer {name!r}; the answers are {known}.{near}")
