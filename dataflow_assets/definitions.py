"""The code location that Dagster loads."""

import dagster as dg

from dataflow_assets.analytics import all_answers
from dataflow_assets.orchestration.alerting.sensor import build_alert_sensors
from dataflow_assets.orchestration.assets import LAKE_IO, LANDING_IO, PUBLISHED_IO, WAREHOUSE_IO, build_assets
from dataflow_assets.orchestration.automation.answers_sensor import build_answers_sensor
from dataflow_assets.orchestration.automation.jobs import build_answer_jobs, build_source_jobs
from dataflow_assets.orchestration.automation.landing_sensor import build_landing_sensor
from dataflow_assets.orchestration.automation.reconcile import build_nightly_schedules
from dataflow_assets.orchestration.automation.warehouse_sensor import build_warehouse_sensor
from dataflow_assets.orchestration.checks.freshness import build_morning_schedule
from dataflow_assets.orchestration.lake_io_manager import LakeIOManager, LandingIOManager
from dataflow_assets.orchestration.maintenance.analyze import build_statistics_schedule
from dataflow_assets.orchestration.maintenance.housekeeping import build_housekeeping_schedule
from dataflow_assets.orchestration.partitions import daily_partitions
from dataflow_assets.orchestration.published_io_manager import AnswersIOManager
from dataflow_assets.orchestration.warehouse_io_manager import WarehouseIOManager
from dataflow_assets.settings import Settings, load_settings
from dataflow_assets.sources import all_sources


def build_definitions(settings: Settings) -> dg.Definitions:
    """Everything that Dagster is told, for one set of settings."""
    sources, answers = all_sources(), all_answers()
    days, answer_jobs = daily_partitions(settings), build_answer_jobs(answers)
    return dg.Definitions(
        assets=build_assets(settings, sources, answers),
        jobs=[*build_source_jobs(sources), *answer_jobs],
        schedules=[
            build_statistics_schedule(sources, settings.timezone),
            build_housekeeping_schedule(settings.timezone),
            *build_nightly_schedules(settings, sources, answers),
            build_morning_schedule(settings.timezone, sources, answers),
        ],
        sensors=[
            build_landing_sensor(sources, days),
            build_warehouse_sensor(sources, days),
            build_answers_sensor(sources, days, answer_jobs),
            *build_alert_sensors(settings),
        ],
        resources={
            LANDING_IO: LandingIOManager(),
            LAKE_IO: LakeIOManager(),
            WAREHOUSE_IO: WarehouseIOManager(),
            PUBLISHED_IO: AnswersIOManager(database=str(settings.published_file)),
        },
        executor=dg.in_process_executor,
    )


defs = build_definitions(load_settings())
