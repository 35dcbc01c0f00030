"""The assets of every layer, built from the declarations of sources and answers.

Here: what an asset is called, depends on, is partitioned by and says of itself. Not here: how partitions
are stored (see the IO managers) and what makes them run (see `jobs` and `sensors`).
"""

import time
from calendar import monthrange
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import dataframely as dy
import polars as pl
from pydantic import Field

from dataflow_assets.analytics import Answer
from dataflow_assets.landing.deliveries import Delivery
from dataflow_assets.orchestration.checks import (
    COLUMNS,
    COMPLETE,
    DUPLICATES,
    FRESH,
    LAKE_SUMS,
    QUARANTINED,
    TABLE_SUMS,
    VOLUME,
)
from dataflow_assets.orchestration.checks.references import references_check
from dataflow_assets.orchestration.lake_io_manager import DAYS_SUFFIX, LAKE, REJECTS, LakeRows, Wanted
from dataflow_assets.orchestration.metadata import links
from dataflow_assets.orchestration.metadata.lineage import (
    columns_of_answer,
    columns_of_files,
    made_from,
    same_columns,
)
from dataflow_assets.orchestration.partitions import daily_partitions, monthly_partitions, partition_days
from dataflow_assets.orchestration.retries import retry_transient
from dataflow_assets.orchestration.warehouse_io_manager import Answered
from dataflow_assets.postgres.connection import Connections
from dataflow_assets.settings import Settings
from dataflow_assets.sources import find_source
from dataflow_assets.sources.base import Events, Source
from dataflow_assets.warehouse.bootstrap import open_warehouse
from dataflow_assets.warehouse.compute_answer import compute_answer
from dataflow_assets.warehouse.scan import Table

LANDING, WAREHOUSE, ANALYTICS, PUBLISHED = "landing", "warehouse", "analytics", "published"
LANDING_IO, LAKE_IO, WAREHOUSE_IO, PUBLISHED_IO = "landing_io", "lake_io", "warehouse_io", "published_io"
OBJECT_STORE, DATABASE = "object_store", "database"  # pools: what limits how many runs are at work at once


def build_assets(
    settings: Settings, sources: Sequence[Source], answers: Sequence[Answer]
) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """Every asset of the platform."""
    assets: list[dg.AssetsDefinition | dg.AssetSpec] = [_rejects_spec(settings, sources)]
    for source in sources:
        assets.append(_landing_spec(settings, source))
        assets.append(_lake_asset(settings, source))
        if isinstance(source, Events):
            assets.append(_days_spec(settings, source))
        assets.append(_warehouse_asset(settings, source))
    for answer in answers:
        assets.append(_answer_asset(settings, answer))
        assets.append(_published_asset(settings, answer))
    return assets


def _landing_spec(settings: Settings, source: Source) -> dg.AssetSpec:
    return dg.AssetSpec(
        [LANDING, source.name],
        group_name=LANDING,
        description=f"The files of {source.name} as they were delivered on each day, byte for byte.",
        owners=[source.owner],
        kinds={source.reader.suffix.removeprefix("."), _store_kind(settings)},
        partitions_def=daily_partitions(settings),
        metadata=links.deliveries(source),
    ).with_io_manager_key(LANDING_IO)


def _store_kind(settings: Settings) -> str:
    return "s3" if settings.s3_bucket else "file"


class IngestConfig(dg.Config):
    """What a run of a lake asset takes in."""

    objects: list[str] = Field([], description="Keys of objects of the run's days; where none is named, all of them.")
    release: bool = Field(False, description="Whether what would be quarantined of them is to be loaded all the same.")


def _lake_asset(settings: Settings, source: Source) -> dg.AssetsDefinition:
    key = [LAKE, source.name]
    checks = [check.of(key) for check in (LAKE_SUMS, QUARANTINED, COLUMNS, VOLUME, FRESH)]

    @dg.asset(
        name=source.name,
        key_prefix=LAKE,
        group_name=LAKE,
        description=f"{source.description} The valid, typed rows of each day's deliveries, and where each came from.",
        owners=[source.owner],
        kinds={"deltalake", "polars"},
        partitions_def=daily_partitions(settings),
        backfill_policy=dg.BackfillPolicy.single_run(),
        ins={"deliveries": dg.AssetIn([LANDING, source.name])},
        io_manager_key=LAKE_IO,
        pool=OBJECT_STORE,
        metadata={
            **_columns(source.schema, columns_of_files(source, [LANDING, source.name])),
            **links.deliveries(source),
            **links.rejects(source, settings.ui_url),
        },
        check_specs=checks,
    )
    def lake_table(config: IngestConfig, deliveries: list[Delivery]) -> Iterator[dg.Output[Any]]:
        of_run = [delivery for delivery in deliveries if delivery.object in config.objects or not config.objects]
        yield dg.Output(Wanted(of_run, is_release=config.release))
        yield from _evaluated(checks)

    return lake_table


def _evaluated(checks: Iterable[dg.AssetCheckSpec]) -> Iterator[dg.Output[None]]:
    """The outputs of checks whose evaluations an IO manager has logged."""
    for check in checks:
        yield dg.Output(None, check.get_python_identifier())


def ingest_config(deliveries: Iterable[Delivery], *, release: bool = False) -> dict[str, Any]:
    """The configuration of a run that takes in these deliveries, and not what else was landed on their days."""
    objects: dict[str, list[str]] = {}
    for delivery in deliveries:
        objects.setdefault(delivery.source, []).append(delivery.object)
    return {
        "ops": {
            dg.AssetKey([LAKE, source]).to_python_identifier(): {
                "config": {"objects": sorted(keys), "release": release}
            }
            for source, keys in objects.items()
        }
    }


def _days_spec(settings: Settings, source: Events) -> dg.AssetSpec:
    return dg.AssetSpec(
        [LAKE, source.name + DAYS_SUFFIX],
        group_name=LAKE,
        description=f"The event days of {source.name} that a delivery touched, each at the time it did.",
        owners=[source.owner],
        kinds={"deltalake"},
        partitions_def=daily_partitions(settings),
        deps=[dg.AssetDep([LAKE, source.name], partition_mapping=dg.AllPartitionMapping())],
    ).with_io_manager_key(LAKE_IO)


def _rejects_spec(settings: Settings, sources: Sequence[Source]) -> dg.AssetSpec:
    return dg.AssetSpec(
        REJECTS,
        group_name=LAKE,
        description="The rows that no source accepts, each with its text, its place and the reason.",
        owners=sorted({source.owner for source in sources}),
        kinds={"deltalake"},
        partitions_def=daily_partitions(settings),
        deps=[[LANDING, source.name] for source in sources],
    )


def _warehouse_asset(settings: Settings, source: Source) -> dg.AssetsDefinition:
    read = source.name + DAYS_SUFFIX if isinstance(source, Events) else source.name
    key = [WAREHOUSE, source.name]
    own = TABLE_SUMS if isinstance(source, Events) else COMPLETE
    checks = [check.of(key) for check in (own, DUPLICATES, FRESH)]
    if source.references:
        checks.append(references_check(source).of(key))

    @dg.asset(
        name=source.name,
        key_prefix=WAREHOUSE,
        group_name=WAREHOUSE,
        description=f"{source.description} The table people query: typed, keyed, without duplicates.",
        owners=[source.owner],
        kinds={"postgres", "table"},
        partitions_def=daily_partitions(settings),
        backfill_policy=dg.BackfillPolicy.single_run(),
        ins={"lake": dg.AssetIn([LAKE, read])},
        io_manager_key=WAREHOUSE_IO,
        pool=DATABASE,
        metadata={
            **_columns(source.schema, same_columns(source.schema, [LAKE, source.name])),
            **links.delivered_by(source),
            "dagster/table_name": f"{WAREHOUSE}.{source.name}",
        },
        check_specs=checks,
    )
    def warehouse_table(lake: LakeRows) -> Iterator[dg.Output[Any]]:
        yield dg.Output(lake)
        yield from _evaluated(checks)

    return warehouse_table


def _answer_asset(settings: Settings, answer: Answer) -> dg.AssetsDefinition:
    timezone = settings.timezone
    checks = [FRESH.of([ANALYTICS, answer.name])]

    @dg.asset(
        name=answer.name,
        key_prefix=ANALYTICS,
        group_name=ANALYTICS,
        description=answer.description,
        owners=[answer.owner],
        kinds={"polars" if answer.statement is None else "sql", "postgres"},
        partitions_def=answer_partitions(settings, answer),
        backfill_policy=dg.BackfillPolicy.single_run(),
        ins={name: _answer_input(answer, find_source(name), timezone) for name in answer.reads},
        io_manager_key=WAREHOUSE_IO,
        pool=DATABASE,
        metadata={
            **_columns(answer.schema, columns_of_answer(answer, WAREHOUSE)),
            "dagster/table_name": f"{ANALYTICS}.{answer.name}",
        },
        check_specs=checks,
    )
    def answer_table(context: dg.AssetExecutionContext, **tables: Table) -> Iterator[dg.Output[Any]]:
        # One day after the other: each reads its own days, in batches, and no run holds the days of all.
        days = partition_days(context.partition_keys)
        read = {day: days_read(answer, day, timezone) for day in days}
        seconds: dict[date, float] = {}
        connections = Connections(open_warehouse(settings))

        def answered(day: date) -> pl.DataFrame:
            start = time.monotonic()
            rows = (
                compute_answer(connections, answer, tables, day, read[day], timezone)
                if have_events(tables, read[day])
                else answer.schema.create_empty()
            )
            seconds[day] = time.monotonic() - start
            return rows

        made_from = {day: versions_read(tables, read[day]) for day in days}
        with retry_transient(context):
            rows = pl.concat(map(answered, days))
        yield dg.Output(Answered(rows, made_from, seconds))
        yield from _evaluated(checks)

    return answer_table


def answer_partitions(settings: Settings, answer: Answer) -> dg.TimeWindowPartitionsDefinition:
    """The days or months of an answer."""
    return daily_partitions(settings) if answer.grain == "day" else monthly_partitions(settings)


def days_before(answer: Answer, timezone: str) -> int:
    """How many days before an answer's own day the events that it reads may have started."""
    if not answer.reads_overlapping:
        return answer.trailing_days
    events = (source for name in answer.reads if isinstance(source := find_source(name), Events))
    longest = max(-(-source.longest // timedelta(days=1)) for source in events)
    # Where clocks change, a day may be shorter than 24 hours: the longest event may reach over one more.
    has_even_days = ZoneInfo(timezone).utcoffset(None) is not None
    return answer.trailing_days + longest + (0 if has_even_days else 1)


def days_read(answer: Answer, day: date, timezone: str) -> list[date]:
    """The days whose events an answer may read for its partition of a day (of a month: its first day)."""
    last = monthrange(day.year, day.month)[1] - 1 if answer.grain == "month" else 0
    return [day + timedelta(days=number) for number in range(-days_before(answer, timezone), last + 1)]


def have_events(tables: Mapping[str, Table], days: Collection[date]) -> bool:
    """Whether there is any event on the days that an answer reads, or it reads none at all.

    Else the answer says nothing, not even 0: it must not matter whether there was an event once, or who asked.
    """
    loaded = [table.loaded for table in tables.values() if table.loaded is not None]
    return not loaded or not all(of_source.isdisjoint(days) for of_source in loaded)


def versions_read(tables: Mapping[str, Table], days: Collection[date]) -> dict[str, int]:
    """The versions of the tables that an answer of some days is made from; without an event snapshots do not count."""
    has_events = have_events(tables, days)
    return {name: table.version(days) for name, table in tables.items() if has_events or table.loaded is not None}


def _answer_input(answer: Answer, source: Source, timezone: str) -> dg.AssetIn:
    key = [WAREHOUSE, source.name]
    if not isinstance(source, Events):
        # The latest values of every key: an answer does not ask how they were on its day.
        return dg.AssetIn(key, partition_mapping=dg.LastPartitionMapping(), dagster_type=Table)
    # The first days have none before them, and a month that is not over yet has days to come.
    mapping = dg.TimeWindowPartitionMapping(
        start_offset=-days_before(answer, timezone), allow_nonexistent_upstream_partitions=True
    )
    return dg.AssetIn(key, partition_mapping=mapping, dagster_type=Table)


def _published_asset(settings: Settings, answer: Answer) -> dg.AssetsDefinition:
    @dg.asset(
        name=answer.name,
        key_prefix=PUBLISHED,
        group_name=PUBLISHED,
        description=f"{answer.description} In the portable file analytics.duckdb.",
        owners=[answer.owner],
        kinds={"duckdb"},
        partitions_def=answer_partitions(settings, answer),
        backfill_policy=dg.BackfillPolicy.single_run(),
        ins={"answer": dg.AssetIn([ANALYTICS, answer.name])},
        io_manager_key=PUBLISHED_IO,
        pool=DATABASE,
        metadata={
            **_columns(answer.schema, same_columns(answer.schema, [ANALYTICS, answer.name])),
            "partition_expr": answer.schema.column_names()[0],
        },
    )
    def published_table(answer: pl.DataFrame) -> pl.DataFrame:
        return answer

    return published_table


def _columns(schema: type[dy.Schema], lineage: dg.TableColumnLineage) -> dict[str, Any]:
    """The columns of an asset and their lineage, which the descriptions tell too: the free UI draws no other."""
    columns = [
        dg.TableColumn(
            name,
            str(column.dtype),
            description=". ".join(filter(None, (column.description, made_from(lineage, name)))),
            constraints=dg.TableColumnConstraints(nullable=column.nullable),
        )
        for name, column in schema.columns().items()
    ]
    return {"dagster/column_schema": dg.TableSchema(columns), "dagster/column_lineage": lineage}
