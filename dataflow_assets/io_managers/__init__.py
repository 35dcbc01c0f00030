"""IO managers that store the frames of any Dagster project: atomically, partition by partition."""

from dataflow_assets.io_managers.delta import DeltaIOManager

__all__ = ["DeltaIOManager"]
