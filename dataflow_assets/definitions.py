"""The code location that Dagster loads."""

from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any

import dagster as dg

from dataflow_assets.analytics import all_answers
from dataflow_assets.orchestration.alerting.sensor import build_alert_sensors
from dataflow_assets.orchestration.assets import build_assets
from dataflow_assets.orchestration.assets.published import PUBLISHED_FILE
from dataflow_assets.orchestration.automation.answers_sensor import build_answers_sensor
from dataflow_assets.orchestration.automation.collect import build_collect_schedules
from dataflow_assets.orchestration.automation.freshness import build_freshness_schedule
from dataflow_assets.orchestration.automation.jobs import build_answer_jobs, build_source_jobs
from dataflow_assets.orchestration.automation.landing_sensor import build_landing_sensor
from dataflow_assets.orchestration.automation.reconcile import build_reconcile_schedules
from dataflow_assets.orchestration.automation.warehouse_sensor import build_warehouse_sensor
from dataflow_assets.orchestration.maintenance.analyze import build_analyze_schedule
from dataflow_assets.orchestration.maintenance.housekeeping import build_housekeeping_schedule
from dataflow_assets.orchestration.published_io_manager import AnswersIOManager
from dataflow_assets.orchestration.resources import DATABASE, build_resources
from dataflow_assets.orchestration.warehouse_tables import WAREHOUSE_TABLES, WarehouseTables
from dataflow_assets.settings import Settings, load_settings
from dataflow_assets.sources import all_sources

_NO_OTHERS: Mapping[str, Any] = MappingProxyType({})


def build_definitions(settings: Settings, resources: Mapping[str, Any] = _NO_OTHERS) -> dg.Definitions:
    """Everything that Dagster is told, for one set of settings.

    Args:
        settings: where the platform is, and the facts of its business.
        resources: take the place of those that the settings name, by key: `object_store`, `database`,
            `warehouse_tables`, `published_file`.

    Raises:
        SettingsError: the settings hold a secret that the environment does not, where runs read it.
    """
    sources, answers = all_sources(), all_answers()
    answer_jobs, assets = build_answer_jobs(answers), build_assets(settings, sources, answers)
    return dg.Definitions(
        assets=assets,
        jobs=[*build_source_jobs(sources), *answer_jobs],
        schedules=[
            build_analyze_schedule(sources, settings.timezone),
            build_housekeeping_schedule(settings),
            *build_reconcile_schedules(settings, sources, answers),
            build_freshness_schedule(settings, sources, answers),
            *build_collect_schedules(settings, sources),
        ],
        sensors=[
            build_landing_sensor(settings, sources),
            build_warehouse_sensor(settings, sources),
            build_answers_sensor(settings, sources, answer_jobs),
            *build_alert_sensors(settings),
            *_lineage_sensors(settings, assets),
        ],
        resources=_with_io_managers(settings, {**build_resources(settings, without=resources), **resources}),
        executor=dg.in_process_executor,
    )


def _lineage_sensors(
    settings: Settings, assets: Sequence[dg.AssetsDefinition | dg.AssetSpec]
) -> list[dg.SensorDefinition]:
    if settings.openlineage_url is None:
        return []
    from dataflow_assets.orchestration.openlineage.sensor import build_lineage_sensor  # noqa: PLC0415, for who uses it

    return [build_lineage_sensor(settings, settings.openlineage_url, assets)]


def _with_io_managers(settings: Settings, stores: Mapping[str, Any]) -> dict[str, Any]:
    """The resources, and the IO managers that use them where none are given."""
    return {
        WAREHOUSE_TABLES: WarehouseTables(database=stores[DATABASE]),
        PUBLISHED_FILE: AnswersIOManager(database=str(settings.published_file)),
        **stores,
    }


@dg.definitions
@cache
def defs() -> dg.Definitions:
    """The definitions of the environment's settings: what Dagster loads, and nothing at import.

    They are built once: a worker loads them for each of its runs.
    """
    return build_definitions(load_settings())


def find_job(name: str) -> dg.JobDefinition:
    """A job of the environment's settings, of which a command has workers make runs."""
    return defs().resolve_job_def(name)
