"""What rows of a table were made from, as one short text that is another one whenever the rows may be others.

Here: that text for tables of sources and of answers. Not here: the records that it is made of (see `event_days`,
`snapshots`, `answers`), and who compares it.
"""

from datetime import date
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by

from dataflow_assets.analytics.base import Answer
from dataflow_assets.ledger.tables import answers, event_days, lake, snapshots
from dataflow_assets.postgres.statements import run_briefly
from dataflow_assets.sources.base import Events, Source

if TYPE_CHECKING:
    from psycopg2 import extensions

_NAME = sa.bindparam("name", type_=sa.Text())
_FIRST, _LAST = sa.bindparam("first", type_=sa.Date()), sa.bindparam("last", type_=sa.Date())
_LAKE = sa.select(lake.c.id).scalar_subquery()  # the versions are numbers of its history


def _digest(partition: sa.Column[date], *facts: sa.ColumnElement[str] | sa.Column[str]) -> sa.ColumnElement[str]:
    """A digest of some facts of each partition."""
    line = sa.func.concat_ws(":", partition, *facts)
    return sa.func.md5(sa.func.concat(_LAKE, sa.func.string_agg(line, aggregate_order_by(sa.literal(","), partition))))


_READ_EVENTS = sa.select(
    _digest(event_days.c.event_day, sa.cast(event_days.c.lake_version, sa.Text()), event_days.c.declaration)
).where(event_days.c.source == _NAME, event_days.c.event_day.between(_FIRST, _LAST))
_READ_SNAPSHOT = sa.select(
    sa.func.md5(
        sa.func.concat_ws(":", _LAKE, snapshots.c.changed_version, snapshots.c.newest_day, snapshots.c.declaration)
    )
).where(snapshots.c.source == _NAME)
# Another statement in the answer's file makes other rows of the same tables. It is written by a transaction of its own.
_READ_ANSWER = sa.select(
    _digest(answers.c.partition, sa.cast(answers.c.made_from, sa.Text()), sa.literal_column("xmin::text"))
).where(answers.c.answer == _NAME, answers.c.partition.between(_FIRST, _LAST))


def read_versions(connection: "extensions.connection", of: Source | Answer, days: tuple[date, date]) -> str:
    """What the rows were made from that are there now, from the first to the last of two days.

    Of snapshots and changes the days do not matter.

    Read it before the rows: then rows that were replaced meanwhile are only taken for older than they are.
    """
    if isinstance(of, Source) and not isinstance(of, Events):
        found = run_briefly(connection, _READ_SNAPSHOT, name=of.name)
        return str(found[0][0]) if found else "never made"
    statement = _READ_EVENTS if isinstance(of, Events) else _READ_ANSWER
    [(digest,)] = run_briefly(connection, statement, name=of.name, first=days[0], last=days[1])
    return str(digest)
