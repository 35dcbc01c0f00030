"""The loader's records: which deliveries the lake holds, and the time zone that cut the days.

The record of deliveries has a row for each version of a landed object. It is a copy of what the lake's commits say, and
can be made again from them.

Here: reading and writing the records that no one load owns. Not here: deciding what is new (see `arrivals`).
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from dataflow_assets.core.iteration import batched
from dataflow_assets.errors import WarehouseMismatchError
from dataflow_assets.lake.delta.table import rejects_table
from dataflow_assets.lake.ingest import Intake, recorded_intakes
from dataflow_assets.landing.deliveries import Delivery
from dataflow_assets.landing.storage import Storage
from dataflow_assets.ledger.rejects import replace_rejects
from dataflow_assets.postgres.connection import Connection, connect, shown
from dataflow_assets.postgres.locks import advisory_lock
from dataflow_assets.postgres.sql import column_list, execute, identifier
from dataflow_assets.sources.base import Source

_ROWS = 1000  # that are written at once


def require_timezone(url: str, timezone: str) -> None:
    """Remember the business time zone of a new warehouse; refuse another one of an old warehouse.

    Raises:
        WarehouseMismatchError: naming both zones.
    """
    with connect(url) as connection:
        execute(connection, "INSERT INTO ledger.identity (timezone) VALUES ($1) ON CONFLICT DO NOTHING", timezone)
        remembered = execute(connection, "SELECT timezone FROM ledger.identity")[0][0]
    if remembered != timezone:
        raise WarehouseMismatchError(
            f"The warehouse at {shown(url)} was made with DATAFLOW_TIMEZONE={remembered}, not {timezone}; "
            "set that zone, or use another DATAFLOW_HOME or database for this one."
        )


def record_delivery(url: str, intake: Intake, rejects: pl.LazyFrame | None = None) -> None:
    """Record what the lake made of a version of an object, and of those before it that nobody has recorded.

    `rejects` are the lake's; without them the table of rejects is left alone.
    """
    newest = "SELECT max(lake_version) FROM ledger.deliveries WHERE delivery = $1"
    with connect(url) as connection:
        advisory_lock(connection, "deliveries", str(intake.delivery.id))
        [(before,)] = execute(connection, newest, intake.delivery.id)
        _write(connection, [intake, *intake.unrecorded])
        _supersede(connection, [intake])
        if rejects is not None and (before is None or before < intake.version):
            replace_rejects(connection, intake.delivery, rejects)


def rebuild_deliveries(url: str, storage: Storage, sources: Iterable[Source], timezone: str) -> int:
    """Make the record of some sources and of their rejects again from the lake; how many versions it has of them.

    Whoever records a delivery meanwhile waits.
    """
    versions = 0
    with connect(url) as connection:
        execute(connection, "LOCK TABLE ledger.deliveries IN EXCLUSIVE MODE")
        for source in sources:
            execute(connection, "DELETE FROM ledger.deliveries WHERE source = $1", source.name)
            for intakes in batched(recorded_intakes(storage, source, timezone), _ROWS):
                _write(connection, intakes)
                _supersede(connection, intakes)
                versions += len(intakes)
            replace_rejects(connection, source, rejects_table(storage).scan())
    return versions


def _write(connection: Connection, intakes: Iterable[Intake]) -> None:
    rows = [_row(intake) for intake in intakes]
    columns = column_list(list(rows[0]))
    replaced = ", ".join(f"{column} = EXCLUDED.{column}" for column in map(identifier, rows[0]))
    execute(
        connection,
        f"INSERT INTO ledger.deliveries ({columns}) "  # noqa: S608
        f"SELECT {columns} FROM json_populate_recordset(NULL::ledger.deliveries, $1::json) "
        f"ON CONFLICT (delivery, lake_version) DO UPDATE SET {replaced}",
        json.dumps(rows),
    )


def _row(intake: Intake) -> dict[str, Any]:
    """A version of an object by the names of the record's columns."""
    delivery, refusal = intake.delivery, intake.refusal
    return {
        "delivery": delivery.id,
        "lake_version": intake.version,
        "source": delivery.source,
        "day": delivery.day.isoformat(),
        "object": delivery.object,
        "etag": delivery.etag,
        "version": delivery.version,
        "size": delivery.size,
        "last_modified": delivery.last_modified.isoformat(),
        "state": "quarantined" if intake.quarantine_reason else "rejected" if refusal else "accepted",
        "refusal": refusal and refusal.replace("\0", "\ufffd"),
        "delivered": intake.delivered,
        "accepted": intake.accepted,
        "rejected": intake.rejected,
        "event_days": sorted(day.isoformat() for day in intake.own_days),
        "repaired": dict(intake.repaired),
        "undeclared_columns": intake.undeclared_columns,
        "missing_columns": intake.missing_columns,
        "quarantine_reason": intake.quarantine_reason,
    }


def _supersede(connection: Connection, intakes: Iterable[Intake]) -> None:
    """Say of every version but the newest of each object that it is not the present one."""
    execute(
        connection,
        "UPDATE ledger.deliveries AS older SET state = 'superseded' "
        "WHERE delivery IN (SELECT value::bigint FROM json_array_elements_text($1::json)) AND state <> 'superseded' "
        "AND lake_version < (SELECT max(lake_version) FROM ledger.deliveries WHERE delivery = older.delivery)",
        json.dumps([intake.delivery.id for intake in intakes]),
    )


def read_deliveries(url: str, source: str | None, day: date | None) -> list[dict[str, Any]]:
    """What is recorded of one source or day, or of all, by the names of the record's columns, as in JSON.

    What is part of a dump that is quarantined is held, too.
    """
    with connect(url) as connection:
        found = execute(
            connection,
            "SELECT (to_jsonb(deliveries) || CASE WHEN state = 'accepted' AND dumps.quarantine_reason IS NOT NULL "
            "THEN jsonb_build_object('state', 'quarantined', 'quarantine_reason', dumps.quarantine_reason) "
            "ELSE '{}' END)::text "
            "FROM ledger.deliveries LEFT JOIN ledger.dumps USING (source, day) "
            "WHERE ($1 = '' OR source = $1) AND ($2 = '' OR day::text = $2)",
            *(source or "", day.isoformat() if day else ""),
        )
    return [json.loads(row) for (row,) in found]


def quarantined_deliveries(url: str, source: Source, first: date, last: date) -> dict[date, list[str]]:
    """Why deliveries of a source are quarantined, from one day to another: a sentence for each, by object."""
    with connect(url) as connection:
        found = execute(
            connection,
            "SELECT day, object, quarantine_reason FROM ledger.deliveries "
            "WHERE source = $1 AND day BETWEEN $2::date AND $3::date AND state = 'quarantined' ORDER BY object",
            *(source.name, first.isoformat(), last.isoformat()),
        )
    reasons: dict[date, list[str]] = {}
    for day, key, reason in found:
        reasons.setdefault(day, []).append(f"{key} is quarantined: {reason}")
    return reasons


def refused(url: str, deliveries: Iterable[Delivery]) -> list[str]:
    """The objects among these deliveries whose present version was refused as a whole."""
    return _objects_where(url, deliveries, "state = 'rejected'")


def quarantined_objects(url: str, deliveries: Iterable[Delivery]) -> list[str]:
    """The objects among these deliveries that are quarantined, or whose dumps are."""
    return _objects_where(
        url, deliveries, "state = 'quarantined' OR (state <> 'superseded' AND dumps.quarantine_reason IS NOT NULL)"
    )


def _objects_where(url: str, deliveries: Iterable[Delivery], condition: str) -> list[str]:
    with connect(url) as connection:
        found = execute(
            connection,
            "SELECT object FROM ledger.deliveries LEFT JOIN ledger.dumps USING (source, day) "  # noqa: S608
            f"WHERE delivery IN (SELECT value::bigint FROM json_array_elements_text($1::json)) AND ({condition}) "
            "ORDER BY object",
            json.dumps([delivery.id for delivery in deliveries]),
        )
    return [key for (key,) in found]


def deliveries_by_state(url: str) -> dict[str, int]:
    """How many objects are in each state by their present version, by the state's name."""
    statement = "SELECT state, count(*) FROM ledger.deliveries WHERE state <> 'superseded' GROUP BY 1 ORDER BY 1"
    with connect(url) as connection:
        return dict(execute(connection, statement))


def not_accepted_whole(url: str, source: Source) -> list[Delivery]:
    """The deliveries of a source with rejected rows, and those that were refused or are quarantined; by object."""
    with connect(url) as connection:
        found = execute(
            connection,
            "SELECT day, object, etag, size, last_modified FROM ledger.deliveries "
            "WHERE source = $1 AND state <> 'superseded' AND (rejected > 0 OR state <> 'accepted') ORDER BY object",
            source.name,
        )
    return [
        Delivery(source=source.name, day=day, object=key, etag=etag, size=size, last_modified=modified)
        for day, key, etag, size, modified in found
    ]


@dataclass(frozen=True)
class OtherColumns:
    """A delivery whose columns are not the declared ones: what was kept out of it, and what it lacks."""

    day: date
    object: str
    undeclared_columns: tuple[str, ...]
    missing_columns: tuple[str, ...]


def other_columns(url: str, source: Source, first: date, last: date) -> list[OtherColumns]:
    """The deliveries of a source, from one day to another, whose columns are not the declared ones; by object."""
    with connect(url) as connection:
        found = execute(
            connection,
            "SELECT day, object, to_json(undeclared_columns)::text, to_json(missing_columns)::text "
            "FROM ledger.deliveries "
            "WHERE source = $1 AND day BETWEEN $2::date AND $3::date AND state <> 'superseded' "
            "AND (undeclared_columns <> '{}' OR missing_columns <> '{}') "
            "ORDER BY object",
            *(source.name, first.isoformat(), last.isoformat()),
        )
    return [OtherColumns(day, key, tuple(json.loads(out)), tuple(json.loads(no))) for day, key, out, no in found]


def recorded_versions(url: str, source: Source) -> dict[int, int]:
    """The lake's version that holds the present one of each delivery of a source, by the delivery's small key."""
    statement = "SELECT delivery, lake_version FROM ledger.deliveries WHERE source = $1 AND state <> 'superseded'"
    with connect(url) as connection:
        return dict(execute(connection, statement, source.name))


def unknown_versions(connection: Connection, versions: Mapping[int, tuple[str, int]]) -> set[int]:
    """Those among some deliveries of which the lake does not hold this version (etag and size), by small key."""
    rows = [{"key": key, "etag": etag, "size": size} for key, (etag, size) in versions.items()]
    found = execute(
        connection,
        "SELECT key FROM json_to_recordset($1::json) AS wanted (key bigint, etag text, size bigint) "
        "WHERE NOT EXISTS (SELECT FROM ledger.deliveries WHERE delivery = wanted.key "
        "AND etag = wanted.etag AND size = wanted.size AND state <> 'superseded')",
        json.dumps(rows),
    )
    return {key for (key,) in found}
