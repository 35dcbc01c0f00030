"""What the tests of DeltaIOManager share: places for tables, and runs of one asset.

Here: an empty folder and an empty bucket, materializing an asset that returns a given frame, and loading it. Not here:
what is asserted.
"""

import urllib.request
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pyarrow as pa

from dataflow_assets.io_managers import DeltaIOManager

RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
KINDS = (pl.DataFrame, pl.LazyFrame, pa.Table, pa.RecordBatchReader)


@dataclass(frozen=True)
class Root:
    """A place for tables."""

    root: str
    options: dict[str, str] = field(default_factory=dict)

    def manager(self, **settings: Any) -> DeltaIOManager:
        return DeltaIOManager(root=self.root, storage_options=self.options, **settings)


def local_root(tmp_path: Path) -> Root:
    """A folder that does not exist, whose name a URL would spell in another way."""
    return Root(str(tmp_path / "Zoë's tables #1"))


def s3_root(s3_url: str) -> Root:
    """A prefix in an empty bucket of an S3 server."""
    bucket = f"bucket-{uuid.uuid4().hex}"
    urllib.request.urlopen(urllib.request.Request(f"{s3_url}/{bucket}", method="PUT")).close()
    options = {
        "aws_endpoint_url": s3_url,
        "aws_region": "us-east-1",
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
    }
    return Root(f"s3://{bucket}/some/tables", options)


def as_kind(rows: pl.DataFrame, kind: type) -> Any:
    """Rows as one of the four kinds of frame."""
    if kind is pl.DataFrame:
        return rows
    if kind is pl.LazyFrame:
        return rows.lazy()
    table = rows.to_arrow()
    return table if kind is pa.Table else pa.RecordBatchReader.from_batches(table.schema, table.to_batches(2))


def to_rows(frame: Any) -> pl.DataFrame:
    """Rows of any of the four kinds."""
    if isinstance(frame, pl.LazyFrame):
        return frame.collect()
    if isinstance(frame, pl.DataFrame):
        return frame
    rows = pl.from_arrow(frame if isinstance(frame, pa.Table) else frame.read_all())
    assert isinstance(rows, pl.DataFrame)
    return rows


@dataclass
class Runs:
    """Runs of one asset `some/numbers`, and of one that loads it, on an instance of their own."""

    manager: DeltaIOManager
    partitions: dg.PartitionsDefinition[Any] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    instance: dg.DagsterInstance = field(default_factory=dg.DagsterInstance.ephemeral)

    def asset(self, frame: Any, output_metadata: Mapping[str, Any] | None = None) -> dg.AssetsDefinition:
        @dg.asset(
            key=["some", "numbers"],
            partitions_def=self.partitions,
            metadata=dict(self.metadata),
            backfill_policy=dg.BackfillPolicy.single_run() if self.partitions else None,
        )
        def numbers() -> dg.Output[Any]:
            return dg.Output(frame() if callable(frame) else frame, metadata=dict(output_metadata or {}))

        return numbers

    def store(
        self, frame: Any, *keys: str, made_from: Mapping[str, Any] | None = None, is_error: bool = False
    ) -> dg.ExecuteInProcessResult:
        """Store a frame: without keys the whole table, of one key its partition, of two those from one to the other."""
        tags = dict(zip(RANGE, keys, strict=True)) if len(keys) == 2 else {}
        return dg.materialize(
            [self.asset(frame, {"made_from": made_from} if made_from else None)],
            resources={"io_manager": self.manager},
            instance=self.instance,
            partition_key=keys[0] if len(keys) == 1 else None,
            tags=tags,
            raise_on_error=not is_error,
        )

    def load(
        self,
        kind: Any = pl.DataFrame,
        *keys: str,
        partitions: dg.PartitionsDefinition[Any] | None = None,
        mapping: dg.PartitionMapping | None = None,
        columns: list[str] | None = None,
    ) -> pl.DataFrame:
        """What an asset downstream is given: one that has partitions where some are named."""
        found: list[pl.DataFrame] = []

        def remember(numbers: Any) -> None:
            assert isinstance(numbers, kind), f"{type(numbers)} is not {kind}"
            found.append(to_rows(numbers))

        remember.__annotations__["numbers"] = kind
        metadata = {"columns": columns} if columns is not None else None
        reader = dg.asset(
            name="reader",
            ins={"numbers": dg.AssetIn(["some", "numbers"], partition_mapping=mapping, metadata=metadata)},
            partitions_def=partitions or (self.partitions if keys else None),
            backfill_policy=dg.BackfillPolicy.single_run() if partitions or keys else None,
            io_manager_key="nothing",
        )(remember)
        dg.materialize(
            [self.asset(pl.DataFrame()), reader],
            selection=[reader],
            resources={"io_manager": self.manager, "nothing": dg.mem_io_manager},
            instance=self.instance,
            partition_key=keys[0] if len(keys) == 1 else None,
            tags=dict(zip(RANGE, keys, strict=True)) if len(keys) == 2 else {},
        )
        [rows] = found
        return rows


def failure(result: dg.ExecuteInProcessResult) -> str:
    """Why the only step of a run failed."""
    [event] = result.get_step_failure_events()
    error = event.step_failure_data.error
    said = [str(event.step_failure_data.user_failure_data), str(error)]
    while error and error.cause:
        error = error.cause
        said.append(str(error))
    return " ".join(said)


def metadata_of(result: dg.ExecuteInProcessResult) -> dict[str | None, dict[str, Any]]:
    """The metadata of each materialized partition, as plain values."""
    found = [event.materialization for event in result.get_asset_materialization_events()]
    return {each.partition: {name: value.value for name, value in each.metadata.items()} for each in found}
