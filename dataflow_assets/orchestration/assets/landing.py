"""The assets `landing/<source>`: what was delivered on each day.

Here: what they say of themselves. They are external, as somebody else fills landing, but for those that are collected
(see `collected`).
"""

import dagster as dg

from dataflow_assets.orchestration.keys import LANDING
from dataflow_assets.orchestration.metadata import links
from dataflow_assets.orchestration.partitions import daily_partitions
from dataflow_assets.settings import Settings
from dataflow_assets.sources.base import Source


def build_landing_spec(settings: Settings, source: Source) -> dg.AssetSpec:
    """The asset of what is delivered of a source."""
    return dg.AssetSpec(
        [LANDING, source.name],
        group_name=LANDING,
        description=f"The files of {source.name} as they were delivered on each day, byte for byte.",
        owners=[source.owner],
        kinds={source.reader.suffix.removeprefix("."), "s3" if settings.s3_bucket else "file"},
        partitions_def=daily_partitions(settings),
        metadata=links.deliveries(source),
    )
