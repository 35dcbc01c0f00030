"""What the partitions of answers were made from.

Here: reading and writing that record. Not here: making answers (see `warehouse.answers`).
"""

import json
from collections.abc import Mapping
from datetime import date

import sqlalchemy as sa

from dataflow_assets.ledger.tables import answers
from dataflow_assets.postgres.connection import Connection
from dataflow_assets.postgres.partitions import Versions
from dataflow_assets.postgres.statements import run, upsert_rows, write_rows

_READ = sa.select(answers.c.partition, answers.c.made_from).where(
    answers.c.answer == sa.bindparam("answer"),
    answers.c.partition.between(sa.bindparam("first"), sa.bindparam("last")),
)
_WRITE = upsert_rows(answers)
_FORGET = sa.update(answers).values(made_from=sa.literal_column("'{}'::jsonb"))


def read_answer_versions(connection: Connection, name: str, first: date, last: date) -> dict[date, Versions]:
    """What the partitions of an answer, from one to another, were made from."""
    found = run(connection, _READ, answer=name, first=first, last=last)
    return {day: json.loads(versions) for day, versions in found}


def forget_answer_versions(connection: Connection) -> None:
    """Let every partition of every answer be one that was made from nothing, so that any other replaces it."""
    run(connection, _FORGET)


def write_answer_versions(connection: Connection, name: str, made_from: Mapping[date, Versions]) -> None:
    """Record what partitions of an answer were made from, in place of what was recorded before."""
    rows = [{"answer": name, "partition": day, "made_from": dict(versions)} for day, versions in made_from.items()]
    write_rows(connection, _WRITE, rows)
