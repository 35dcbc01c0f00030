"""A Dagster project of a test's own: assets, one IO manager, and runs of them.

Here: running and looking at what a run logged. Not here: the IO managers' stores.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

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

    def replace(self, asset: dg.AssetsDefinition) -> None:
        """Take an asset in, in place of one with the same key."""
        self.assets = [other for other in self.assets if other.key != asset.key] + [asset]


def _asset(function: Any, name: str, **given: Any) -> dg.AssetsDefinition:
    *prefix, last = name.split("/")
    policy = {"backfill_policy": dg.BackfillPolicy.single_run()} if "partitions_def" in given else {}
    return dg.asset(name=last, key_prefix=prefix or None, **policy, **given)(function)


def reasons(result: dg.ExecuteInProcessResult) -> str:
    """Why the steps of a run failed."""
    events = [event for event in result.all_events if event.is_step_failure]
    return "\n".join(str(event.event_specific_data.error) for event in events)  # type: ignore[union-attr]


def metadata_of(result: dg.ExecuteInProcessResult) -> dict[str | None, Mapping[str, Any]]:
    """By partition, what the materializations of a run say."""
    events = [event for event in result.all_events if event.event_type_value == "ASSET_MATERIALIZATION"]
    logged = [event.materialization for event in events]
    return {event.partition: {name: value.value for name, value in event.metadata.items()} for event in logged}


def partition_keys(partitions: dg.PartitionsDefinition[Any]) -> Sequence[str]:
    """Every key."""
    return partitions.get_partition_keys()
