"""The loader's records: which deliveries the lake holds, and the time zone that cut the days.

Here: reading and writing the records that no one load owns. Not here: deciding what is new.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import polars as pl

from dataflow_assets.errors import WarehouseMismatchError
from dataflow_assets.lake.intake import Intake
from dataflow_assets.landing.deliveries import Delivery
from dataflow_assets.sources.declaration import Source
from dataflow_assets.warehouse.database import connect, execute, shown, transaction
from dataflow_assets.warehouse.rejects import replace_rejects


def require_timezone(url: str, timezone: str) -> None:
    """Remember the business time zone of a new warehouse; refuse another one of an old warehouse.

    Raises:
        WarehouseMismatchError: naming both zones.
    """
    with connect(url) as connection:
        execute(connection, "INSERT INTO warehouse.identity (timezone) VALUES ($1) ON CONFLICT DO NOTHING", timezone)
        remembered = execute(connection, "SELECT timezone FROM warehouse.identity")[0][0]
    if remembered != timezone:
        raise WarehouseMismatchError(
            f"The warehouse at {shown(url)} was made with DATAFLOW_TIMEZONE={remembered}, not {timezone}; "
            "set that zone, or use another DATAFLOW_HOME or database for this one."
        )


def record_delivery(url: str, intake: Intake, rejects: pl.LazyFrame | None = None) -> None:
    """Record what the lake made of a delivery, in place of what it made of the object's older version.

    `rejects` are the lake's; without them the table of rejects is left alone.
    """
    delivery = intake.delivery
    state = "held" if intake.held else "rejected" if intake.refusal else "accepted"
    values = (
        *(delivery.id, delivery.source, delivery.day.isoformat(), delivery.object, delivery.etag, delivery.size),
        *(delivery.last_modified.isoformat(), state),
        *(intake.delivered, intake.accepted, intake.rejected, intake.version),
        *(json.dumps(intake.kept_out), json.dumps(intake.lacking), intake.held),
    )
    version = "SELECT lake_version FROM warehouse.deliveries WHERE delivery = $1"
    with connect(url) as connection, transaction(connection):
        before = execute(connection, version, delivery.id)
        is_newest = execute(
            connection,
            "INSERT INTO warehouse.deliveries VALUES "
            "($1, $2, $3::date, $4, $5, $6, $7::timestamptz, $8, $9, $10, $11, $12, "
            "ARRAY(SELECT json_array_elements_text($13::json)), ARRAY(SELECT json_array_elements_text($14::json)), "
            "$15) "
            "ON CONFLICT (delivery) DO UPDATE SET etag = EXCLUDED.etag, size = EXCLUDED.size, "
            "last_modified = EXCLUDED.last_modified, state = EXCLUDED.state, delivered = EXCLUDED.delivered, "
            "accepted = EXCLUDED.accepted, rejected = EXCLUDED.rejected, lake_version = EXCLUDED.lake_version, "
            "kept_out = EXCLUDED.kept_out, lacking = EXCLUDED.lacking, held = EXCLUDED.held "
            "WHERE deliveries.lake_version <= EXCLUDED.lake_version RETURNING 1",
            *values,
        )
        if rejects is not None and is_newest and before != [(intake.version,)]:
            replace_rejects(connection, delivery, rejects)


def held_deliveries(url: str, source: Source, first: date, last: date) -> dict[date, list[str]]:
    """Why deliveries of a source are held back, from one day to another: a sentence for each, by object."""
    with connect(url) as connection:
        found = execute(
            connection,
            "SELECT day, object, held FROM warehouse.deliveries "
            "WHERE source = $1 AND day BETWEEN $2::date AND $3::date AND held IS NOT NULL ORDER BY object",
            *(source.name, first.isoformat(), last.isoformat()),
        )
    reasons: dict[date, list[str]] = {}
    for day, key, reason in found:
        reasons.setdefault(day, []).append(f"{key} is held back: {reason}")
    return reasons


def refused(url: str, deliveries: Iterable[Delivery]) -> list[str]:
    """The objects among these deliveries that were refused as a whole."""
    with connect(url) as connection:
        found = execute(connection, "SELECT delivery FROM warehouse.deliveries WHERE state = 'rejected'")
    rejected = {key for (key,) in found}
    return [delivery.object for delivery in deliveries if delivery.id in rejected]


def held_back(url: str, deliveries: Iterable[Delivery]) -> list[str]:
    """The objects among these deliveries that are held back, or whose dumps are."""
    with connect(url) as connection:
        found = execute(
            connection,
            "SELECT delivery FROM warehouse.deliveries LEFT JOIN warehouse.dumps USING (source, day) "
            "WHERE deliveries.held IS NOT NULL OR dumps.held IS NOT NULL",
        )
    held = {key for (key,) in found}
    return [delivery.object for delivery in deliveries if delivery.id in held]


def not_accepted_whole(url: str, source: Source) -> list[Delivery]:
    """The deliveries of a source with rejected rows, and those that were refused or are held back; by object."""
    with connect(url) as connection:
        found = execute(
            connection,
            "SELECT day, object, etag, size, last_modified FROM warehouse.deliveries "
            "WHERE source = $1 AND (rejected > 0 OR state <> 'accepted') ORDER BY object",
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
    kept_out: tuple[str, ...]
    lacking: tuple[str, ...]


def other_columns(url: str, source: Source, first: date, last: date) -> list[OtherColumns]:
    """The deliveries of a source, from one day to another, whose columns are not the declared ones; by object."""
    with connect(url) as connection:
        found = execute(
            connection,
            "SELECT day, object, to_json(kept_out)::text, to_json(lacking)::text FROM warehouse.deliveries "
            "WHERE source = $1 AND day BETWEEN $2::date AND $3::date AND (kept_out <> '{}' OR lacking <> '{}') "
            "ORDER BY object",
            *(source.name, first.isoformat(), last.isoformat()),
        )
    return [OtherColumns(day, key, tuple(json.loads(out)), tuple(json.loads(no))) for day, key, out, no in found]


def recorded_versions(url: str, source: Source) -> dict[int, int]:
    """The lake's version that each delivery of a source was recorded with, by the delivery's small key."""
    statement = "SELECT delivery, lake_version FROM warehouse.deliveries WHERE source = $1"
    with connect(url) as connection:
        return dict(execute(connection, statement, source.name))


def known_versions(url: str) -> dict[int, tuple[str, int]]:
    """The version (etag and size) of every delivery that the lake holds, by the delivery's small key."""
    with connect(url) as connection:
        found = execute(connection, "SELECT delivery, etag, size FROM warehouse.deliveries")
    return {delivery: (etag, size) for delivery, etag, size in found}
