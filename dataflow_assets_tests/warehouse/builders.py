"""Made-up lake rows and sources for the warehouse's tests, and a look at the database beside our own code.

Here: values that several test files need. Not here: anything that loads them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dataframely as dy
import polars as pl
import psycopg2

from dataflow_assets.lake.delta.dumps import Dumps
from dataflow_assets.landing.deliveries import Delivery
from dataflow_assets.sources import all_sources
from dataflow_assets.sources.base import Events, Snapshot
from dataflow_assets.sources.formats import Csv, Json
from dataflow_assets_tests.waiting import wait_until

STREAMS = next(source for source in all_sources() if isinstance(source, Events))
AUTHORS = next(source for source in all_sources() if isinstance(source, Snapshot) and source.name == "authors")
DAY = date(2021, 11, 5)
ORIGIN: dict[str, Any] = {"position": pl.Int64, "object": pl.String, "delivery_day": pl.Date, "delivery": pl.Int64}


class Payments(dy.Schema):
    number = dy.Int64()
    paid_at = dy.Datetime(time_zone="UTC")
    settled_at = dy.Datetime(time_zone="UTC")
    amount = dy.Decimal(10, 2, nullable=True)
    kind = dy.Enum(["card", "cash"])
    tags = dy.List(dy.String(), nullable=True)
    count = dy.Int32()


PAYMENTS = Events(
    name="payments",
    singular="payment",
    description="Made up.",
    owner="team:tests",
    schema=Payments,
    reader=Csv(),
    key=("number", "paid_at"),
    event_time="paid_at",
    end_time="settled_at",
    longest=timedelta(days=1),
)


class Shops(dy.Schema):
    name = dy.String()
    city = dy.String(nullable=True)


SHOPS = Snapshot(
    name="shops",
    singular="shop",
    description="Made up.",
    owner="team:tests",
    schema=Shops,
    reader=Csv(),
    key=("name",),
)


class Readings(dy.Schema):
    """A column of each type, each of which but the key may be missing."""

    number = dy.Int64()
    taken_at = dy.Datetime(time_zone="UTC")
    sent_at = dy.Datetime(time_zone="UTC")
    text = dy.String(nullable=True)
    code = dy.String(min_length=2, max_length=2, nullable=True)
    moment = dy.Datetime(time_zone="UTC", nullable=True)
    day = dy.Date(nullable=True)
    is_new = dy.Bool(nullable=True)
    tiny = dy.Int8(nullable=True)
    small = dy.Int16(nullable=True)
    middle = dy.Int32(nullable=True)
    big = dy.Integer(nullable=True)
    single = dy.Float32(nullable=True)
    double = dy.Float64(nullable=True)
    price = dy.Decimal(7, 2, nullable=True)
    exact = dy.Decimal(38, 19, nullable=True)
    whole = dy.Decimal(nullable=True)
    kind = dy.Enum(["a", "é ", '"'], nullable=True)
    label = dy.Categorical(nullable=True)
    tags = dy.List(dy.String(nullable=True), nullable=True)
    places = dy.List(
        dy.Struct({"x": dy.Float64(nullable=True), "path": dy.List(dy.Int64(), nullable=True)}, nullable=True),
        nullable=True,
    )
    address = dy.Struct(
        {"street": dy.String(nullable=True), "floor": dy.Int8(nullable=True), "is_old": dy.Bool(nullable=True)},
        nullable=True,
    )


READINGS = Events(
    name="readings",
    singular="reading",
    description="Made up.",
    owner="team:tests",
    schema=Readings,
    reader=Csv(),
    key=("number", "taken_at"),
    event_time="taken_at",
    end_time="sent_at",
    longest=timedelta(days=1),
)
METERS = Snapshot(
    name="meters",
    singular="meter",
    description="Made up.",
    owner="team:tests",
    schema=Readings,
    reader=Json(paths={name: f"$.{name}" for name in Readings.column_names()}),
    key=("number", "taken_at"),
)


def delivery_id(source: str, delivered: date, file: str) -> int:
    key = f"landing/{source}/{delivered}/{file}"
    return Delivery(source=source, day=delivered, object=key, etag="", size=0, last_modified=datetime.now(UTC)).id


def sessions(
    starts: Sequence[datetime], *, delivered: date = DAY, file: str = "a.csv", megabytes: float = 1.0, user: str = "u@x"
) -> pl.DataFrame:
    """Rows of `lake/streams` as one object gives them: one session of an hour per start."""
    return pl.DataFrame(
        {
            "movie_title": ["Heat"] * len(starts),
            "user_email": [user] * len(starts),
            "size_mb": [megabytes] * len(starts),
            "start_at": starts,
            "end_at": [start + timedelta(hours=1) for start in starts],
            "position": list(range(len(starts))),
            "object": [f"landing/streams/{delivered}/{file}"] * len(starts),
            "delivery_day": [delivered] * len(starts),
            "delivery": [delivery_id("streams", delivered, file)] * len(starts),
            "event_date": [start.astimezone(UTC).date() for start in starts],
        },
        schema={**STREAMS.schema.create_empty().schema, **ORIGIN, "event_date": pl.Date},
    )


def minutes(day: date, count: int) -> list[datetime]:
    """So many instants of a UTC day, a minute apart."""
    return [datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=n) for n in range(count)]


def ask(url: str, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    """The rows of a statement, committed, through another driver than the one under test."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        rows = cursor.fetchall() if cursor.description else []
    connection.close()
    return rows


def allow_only(url: str, columns: Mapping[str, Iterable[str]]) -> None:
    """Let the database's user read these columns of each table of the warehouse, and no others of it."""
    for table, names in columns.items():
        revoke, grant = f"REVOKE SELECT ON warehouse.{table} FROM CURRENT_USER", ", ".join(names)
        ask(url, f"{revoke}; GRANT SELECT ({grant}) ON warehouse.{table} TO CURRENT_USER")


def wait_for(url: str, statement: str, *parameters: object) -> None:
    """Return as soon as a statement gives a row."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True

        def gives_a_row() -> bool:
            cursor.execute(statement, parameters or None)
            return bool(cursor.fetchall())

        wait_until(gives_a_row)


def wait_until_blocked(url: str, sessions: int) -> None:
    """Return as soon as so many sessions of the database wait for a lock."""
    wait_for(
        url,
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' "
        "HAVING count(*) >= %s",
        sessions,
    )


def together(*tasks: Callable[[], Any]) -> list[Future[Any]]:
    """Run tasks at once, each in a thread of its own; all have ended when this returns."""
    with ThreadPoolExecutor(len(tasks)) as pool:
        return [pool.submit(task) for task in tasks]


def dump(
    names: Mapping[str, str | None], *, delivered: date = DAY, file: str = "a.json", first_position: int = 0
) -> pl.DataFrame:
    """Rows of `lake/authors` as one object gives them: name to nationality."""
    nothing = [None] * len(names)
    return pl.DataFrame(
        {
            "name": list(names),
            "birth_date": nothing,
            "died_at": nothing,
            "nationality": list(names.values()),
            "position": range(first_position, first_position + len(names)),
            "object": [f"landing/authors/{delivered}/{file}"] * len(names),
            "delivery_day": [delivered] * len(names),
            "delivery": [delivery_id("authors", delivered, file)] * len(names),
        },
        schema={
            **AUTHORS.schema.create_empty().schema,
            **ORIGIN,
        },
    )


def complete(rows: pl.DataFrame) -> Dumps:
    """The dumps that rows of the lake are from, each of them released."""
    counted = dict(rows.group_by("delivery_day").len().iter_rows())
    return Dumps(counted, frozenset(counted))


def tables_of_days(url: str) -> list[tuple[str]]:
    """The tables that hold days of events, and those around each."""
    names = "SELECT relname FROM pg_class WHERE relnamespace = 'warehouse_days'::regnamespace AND relkind IN ('r', 'p')"
    return ask(url, f"{names} ORDER BY 1")
