"""Tables made from declarations hold every value that a source can have."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import psycopg2
import pytest
import sqlalchemy as sa
from polars.testing import assert_frame_equal

from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.schema import build_metadata
from dataflow_assets.warehouse.events import load_day
from dataflow_assets.warehouse.scan import scan_source
from dataflow_assets_tests.warehouse.builders import DAY, ORIGIN, PAYMENTS, SHOPS, ask


@pytest.fixture
def url(database_url: str) -> str:
    """A database with the tables of a made-up source too."""
    engine = sa.create_engine(database_url, poolclass=sa.NullPool)
    metadata = build_metadata([PAYMENTS, SHOPS], {})
    with engine.begin() as connection:
        metadata.create_all(connection)
    return database_url


def payments(**columns: Any) -> pl.DataFrame:
    """One row of `lake/payments`."""
    paid = datetime(DAY.year, DAY.month, DAY.day, 23, 59, 59, 999999, UTC)
    row = {
        "number": -(2**63),
        "paid_at": paid,
        "settled_at": paid + timedelta(hours=1),
        "amount": Decimal("-12345678.90"),
        "kind": "cash",
        "tags": ["a", "", "漢"],
        "count": -(2**31),
        "position": 0,
        "object": "landing/payments/a.csv",
        "delivery_day": DAY,
        "delivery": 1,
        "event_date": DAY,
        **columns,
    }
    schema: dict[str, Any] = {**PAYMENTS.schema.create_empty().schema, **ORIGIN, "event_date": pl.Date}
    return pl.DataFrame([row], schema=schema, orient="row")


def test_values_come_back_as_they_were_delivered(url: str) -> None:
    lake = pl.concat([payments(), payments(number=2**63 - 1, amount=None, tags=None, kind="card", count=2**31 - 1)])
    with connect(url) as connection:
        load_day(connection, PAYMENTS, lake.lazy(), 1, DAY, "UTC")
    found = scan_source(url, PAYMENTS, "UTC").collect()
    names = PAYMENTS.schema.column_names()
    assert_frame_equal(found.sort("number"), lake.select(names), check_row_order=True)


def test_a_lake_of_other_types_is_cast_and_not_misread(url: str) -> None:
    lake = payments(number=7, count=3).with_columns(pl.col("number").cast(pl.Int32), pl.col("count").cast(pl.Int64))
    with connect(url) as connection:
        load_day(connection, PAYMENTS, lake.lazy(), 1, DAY, "UTC")
    assert ask(url, "SELECT number, count FROM warehouse.payments") == [(7, 3)]


def test_a_value_that_its_declared_type_cannot_hold_is_refused(url: str) -> None:
    lake = payments().with_columns(pl.lit(2**31, pl.Int64).alias("count"))
    with connect(url) as connection, pytest.raises(pl.exceptions.InvalidOperationError):
        load_day(connection, PAYMENTS, lake.lazy(), 1, DAY, "UTC")


def test_an_id_stands_once_in_a_day(url: str) -> None:
    with connect(url) as connection:
        load_day(connection, PAYMENTS, payments().lazy(), 1, DAY, "UTC")
    with pytest.raises(psycopg2.errors.UniqueViolation):
        ask(url, "INSERT INTO warehouse.payments SELECT * FROM warehouse.payments")
