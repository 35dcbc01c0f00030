"""What there is to draw of the answers, as the warehouse has them.

Here: reading their newest partitions. Not here: which charts there are (see `analytics.charts`), and drawing them.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta

from dataflow_assets.analytics.base import Answer
from dataflow_assets.analytics.charts import Chart, charts_of
from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.schema import ANALYTICS
from dataflow_assets.postgres.sql import execute, identifier
from dataflow_assets.warehouse.scan import scan_answer

DAYS = 92


def read_charts(url: str, answers: Iterable[Answer], days: int = DAYS) -> Iterator[Chart]:
    """What there is to draw of some answers, of so many days up to the newest partition of each."""
    for answer in answers:
        table = identifier(ANALYTICS, answer.name)
        with connect(url) as connection:
            [(newest,)] = execute(connection, f"SELECT max({identifier(answer.grain)}) FROM {table}")  # noqa: S608
        if newest is not None:
            wanted = [newest - timedelta(days=before) for before in range(days)]
            yield from charts_of(answer, scan_answer(url, answer.name, answer.schema, wanted).collect())
