"""What Dagster remembers of runs that are long over, and forgetting it.

Here: which rows of its tables go. Not here: when (see `housekeeping`).

That a partition was materialized, or failed, is known by the newest event of each kind that tells of it, and
`instance.delete_run` would take those along. So of what is older than the retention, the newest event of each kind,
asset and partition stays, and so does the run that it names; all other events of runs that are over go. Whoever reads
the log from a place after that time finds what there was. Dagster (1.13) has no call for this, so its tables are named
here.

Each batch is a transaction of its own. The space is used again by what comes; only `VACUUM FULL` gives it back.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from dataflow_assets.core.cleanup import Freed
from dataflow_assets.postgres.connection import Connection, transaction
from dataflow_assets.postgres.sql import execute

_BATCH = 5_000  # rows that are looked at in one statement
_BEFORE = "$1::timestamp"
_IS_OVER = """
    NOT EXISTS (SELECT FROM runs AS own WHERE own.run_id = {row}.run_id
        AND own.status NOT IN ('SUCCESS', 'FAILURE', 'CANCELED'))"""


def _has_newer(table: str, stamp: str, same: str, row: str) -> str:
    """Whether there is a newer row of the same asset and partition, which is old as well."""
    newer = f"SELECT FROM {table} AS newer WHERE {same} AND newer.id > {row}.id AND newer.{stamp} < {_BEFORE}"
    # Apart, as an index knows what is equal, but not what is no more distinct.
    return (
        f"(EXISTS ({newer} AND newer.partition = {row}.partition) "
        f"OR {row}.partition IS NULL AND EXISTS ({newer} AND newer.partition IS NULL))"
    )


def _is_past_event(row: str) -> str:
    same = f"newer.asset_key = {row}.asset_key AND newer.dagster_event_type = {row}.dagster_event_type"
    superseded = _has_newer("event_logs", "timestamp", same, row)
    return f"{row}.timestamp < {_BEFORE} AND ({row}.asset_key IS NULL OR {superseded}) AND {_IS_OVER.format(row=row)}"


def _is_past_evaluation(row: str) -> str:
    same = f"newer.asset_key = {row}.asset_key AND newer.check_name = {row}.check_name"
    superseded = _has_newer("asset_check_executions", "evaluation_event_timestamp", same, row)
    return f"{row}.evaluation_event_timestamp < {_BEFORE} AND {superseded} AND {_IS_OVER.format(row=row)}"


# Of each table: what its rows are called, where most of their bytes are, and which of them go.
_PAST = {
    "event_logs": ("events of runs", "event", _is_past_event("old")),
    "asset_check_executions": ("evaluations of checks", "evaluation_event", _is_past_evaluation("old")),
    "runs": (
        "runs",
        "run_body",
        f"""
        old.status IN ('SUCCESS', 'FAILURE', 'CANCELED')
        AND coalesce(to_timestamp(old.end_time) AT TIME ZONE 'UTC', old.update_timestamp) < {_BEFORE}
        AND NOT EXISTS (SELECT FROM event_logs AS kept WHERE kept.run_id = old.run_id
            AND NOT ({_is_past_event("kept")}))
        AND NOT EXISTS (SELECT FROM asset_check_executions AS kept WHERE kept.run_id = old.run_id
            AND NOT ({_is_past_evaluation("kept")}))""",  # noqa: S608
    ),
    "job_ticks": ("ticks", "tick_body", f"old.timestamp < {_BEFORE} AND old.status <> 'STARTED'"),
}


def forget(
    connection: Connection, before: datetime, drop_logs: Callable[[str], int], *, dry_run: bool = False
) -> Iterator[Freed]:
    """Delete what is older than an instant and tells of nothing that is still so; what runs are under way keep theirs.

    Args:
        connection: to the database that holds Dagster's tables.
        before: the instant.
        drop_logs: deletes what a run printed, unless this is a dry run, and says how many bytes that took.
        dry_run: whether only to look.
    """
    instant = before.astimezone(UTC).replace(tzinfo=None).isoformat()
    yield _drop_logs(connection, instant, drop_logs)
    for table, (what, body, is_past) in _PAST.items():
        size = f"pg_column_size(old.{body}) AS size"
        past = f"FROM {table} AS old WHERE old.id > $2 AND old.id <= $3 AND {is_past}"
        found = f"SELECT {size} {past}" if dry_run else f"DELETE {past} RETURNING {size}"
        count = total = 0
        for first, last in _batches(connection, table):
            with transaction(connection):
                [(rows, taken)] = execute(
                    connection,
                    f"WITH past AS ({found}) SELECT count(*), coalesce(sum(size), 0)::bigint FROM past",  # noqa: S608
                    *(instant, first, last),
                )
                if table == "event_logs" and not dry_run:
                    _delete_tags(connection, first, last)
            count, total = count + rows, total + taken
        yield Freed(what, count, total)


def _drop_logs(connection: Connection, instant: str, drop: Callable[[str], int]) -> Freed:
    """What runs printed goes before the events that name it: a repeat finds what is left."""
    count = size = 0
    for first, last in _batches(connection, "event_logs"):
        past = (
            "SELECT DISTINCT old.run_id FROM event_logs AS old WHERE old.id > $2 AND old.id <= $3 "  # noqa: S608
            f"AND old.dagster_event_type = 'LOGS_CAPTURED' AND {_is_past_event('old')}"
        )
        for (run,) in execute(connection, past, instant, first, last):
            count, size = count + 1, size + drop(run)
    return Freed("printed logs of runs", count, size)


def _delete_tags(connection: Connection, first: int, last: int) -> None:
    """Delete what was said of events that are no more."""
    execute(
        connection,
        "DELETE FROM asset_event_tags WHERE event_id > $1 AND event_id <= $2 "
        "AND NOT EXISTS (SELECT FROM event_logs WHERE event_logs.id = event_id)",
        *(first, last),
    )


def _batches(connection: Connection, table: str) -> Iterator[tuple[int, int]]:
    """The numbers of a table's rows, so many at a time: after the one, up to the other."""
    next_rows = f"SELECT id FROM {table} WHERE id > $1 ORDER BY id LIMIT {_BATCH}"  # noqa: S608
    first = 0
    while True:
        [(last,)] = execute(connection, f"SELECT max(id) FROM ({next_rows}) AS found", first)  # noqa: S608
        if last is None:
            return
        yield first, last
        first = last
