"""The nightly statistics of the event tables.

Here: the job that gathers them, and when. Not here: what is gathered (see `warehouse.analyze`).
"""

from collections.abc import Sequence

import dagster as dg

from dataflow_assets.orchestration.automation.jobs import every_night
from dataflow_assets.orchestration.resources import DatabaseResource
from dataflow_assets.postgres.connection import connect
from dataflow_assets.sources.base import Events, Source
from dataflow_assets.warehouse.analyze import analyze_events

ANALYZE = "analyze_event_tables"


def build_analyze_schedule(sources: Sequence[Source], timezone: str) -> dg.ScheduleDefinition:
    """A job that gathers the statistics of each event table as a whole, every night at 03:00 of the time zone."""

    @dg.op(name="gather_statistics", description="What the planner knows of each event table as a whole.")
    def gather_statistics(database: DatabaseResource) -> None:
        with connect(database.open_warehouse()) as connection:
            for source in sources:
                if isinstance(source, Events):
                    analyze_events(connection, source)

    @dg.job(name=ANALYZE, description="Tells PostgreSQL's planner how the event tables look as a whole.")
    def analyze_event_tables() -> None:
        gather_statistics()

    return every_night(analyze_event_tables, "0 3 * * *", timezone)
