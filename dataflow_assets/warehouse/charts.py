"""What there is to draw of the answers, as the warehouse has them.

Here: reading their newest partitions, or those of some days. Not here: which charts there are (see `analytics.charts`),
and drawing them.
"""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta

from dataflow_assets.analytics.base import Answer
from dataflow_assets.analytics.charts import Chart, charts_of
from dataflow_assets.postgres.connection import Connections
from dataflow_assets.postgres.schema import ANALYTICS
from dataflow_assets.postgres.sql import execute, identifier
from dataflow_assets.warehouse.scan import scan_answer

DAYS = 92


def read_charts(url: str, answers: Iterable[Answer], days: int = DAYS, end: date | None = None) -> Iterator[Chart]:
    """What there is to draw of some answers.

    Args:
        url: of the database; one connection is used.
        answers: of which, in order.
        days: how many days are drawn, up to the newest partition of each answer.
        end: the first day that is not drawn; none if None.
    """
    connections = Connections(url)
    for answer in answers:
        partition, table = identifier(answer.grain), identifier(ANALYTICS, answer.name)
        newest_before = f"SELECT max({partition}) FROM {table} WHERE {partition} < $1"  # noqa: S608
        with connections.take() as connection:
            [(newest,)] = execute(connection, newest_before, end or date.max)
        if newest is not None:
            last = newest if end is None else end - timedelta(days=1)
            wanted = [last - timedelta(days=before) for before in range(days)]
            yield from charts_of(answer, scan_answer(connections, answer.name, answer.schema, wanted).collect())
