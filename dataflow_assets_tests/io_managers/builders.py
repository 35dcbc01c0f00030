"""A Dagster project of a test's own: assets, one IO manager, and runs of them.

Here: running and looking at what a run logged. Not here: the IO managers' stores.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from dataflow_assets.io_managers import PostgresIOManager

RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass
class Project:
    """Some assets over one IO manager, in an instance that keeps what they log until the test ends."""

    io_manager: dg.ConfigurableIOManager
    instance: dg.DagsterInstance
    assets: list[dg.AssetsDefinition] = field(default_factory=list)

    def run(self, name: str, *keys: str) -> dg.ExecuteInProcessResult:
        """Materialize an asset: whole, for one partition, or for a range from the first to the last."""
        definitions = dg.Definitions(self.assets, resources={"io_manager": self.io_manager})
        job = definitions.resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            instance=self.instance,
            asset_selection=[dg.AssetKey(name.split("/"))],
            partition_key=keys[0] if len(keys) == 1 else None,
            tags=dict(zip(RANGE, keys, strict=True)) if len(keys) == 2 else {},
            raise_on_error=False,
            run_config=_QUIET,
        )

    def store(self, value: Any, *keys: str, name: str = "table", **asset: Any) -> dg.ExecuteInProcessResult:
        """Materialize an asset that returns a value."""

        def stored(context: dg.AssetExecutionContext) -> object:
            return value(context) if callable(value) else value

        self.replace(_asset(stored, name, **asset))
        return self.run(name, *keys)

    def load(self, kind: Any, *keys: str, of: str = "table", **given: Any) -> Any:
        """What a downstream asset that annotates its input with a kind of frame is given."""
        seen: list[Any] = []
        partitions = {key: given.pop(key) for key in ("partitions_def",) if key in given}

        def reader(rows: Any) -> None:
            seen.append(rows)

        reader.__annotations__["rows"] = kind
        self.replace(_asset(reader, "reader", ins={"rows": dg.AssetIn(of.split("/"), **given)}, **partitions))
        result = self.run("reader", *keys)
        assert result.success, reasons(result)
        [rows] = seen
        return rows

    def metadata_of(self, result: dg.ExecuteInProcessResult, name: str = "table") -> dict[str | None, dict[str, Any]]:
        """By partition, what the materializations of an asset in a run say."""
        records = self.instance.fetch_materializations(dg.AssetKey(name.split("/")), limit=1000).records
        logged = [record.asset_materialization for record in records if record.run_id == result.run_id]
        return {
            event.partition: {entry: value.value for entry, value in event.metadata.items()}
            for event in logged
            if event is not None
        }

    @property
    def url(self) -> str:
        """Of the database, of a project over PostgreSQL."""
        assert isinstance(self.io_manager, PostgresIOManager)
        return self.io_manager.url

    def replace(self, asset: dg.AssetsDefinition) -> None:
        """Take an asset in, in place of one with the same key."""
        self.assets = [other for other in self.assets if other.key != asset.key] + [asset]


def _asset(function: Callable[..., object], name: str, **given: Any) -> dg.AssetsDefinition:
    policy = dg.BackfillPolicy.single_run() if "partitions_def" in given else None
    return dg.asset(function, key=dg.AssetKey(name.split("/")), backfill_policy=policy, **given)


def reasons(result: dg.ExecuteInProcessResult) -> str:
    """Why the steps of a run failed."""
    events = [event for event in result.all_events if event.is_step_failure]
    return "\n".join(str(event.event_specific_data.error) for event in events)  # type: ignore[union-attr]
