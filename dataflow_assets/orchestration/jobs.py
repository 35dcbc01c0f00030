"""One job per layer and partition grain.

Here: which assets run together. Not here: for which partitions.
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from dataflow_assets.analytics import Answer
from dataflow_assets.orchestration.assets import ANALYTICS, PUBLISHED, WAREHOUSE
from dataflow_assets.orchestration.lake_io_manager import LAKE
from dataflow_assets.sources.declaration import Source


def build_jobs(sources: Sequence[Source], answers: Sequence[Answer]) -> list[Any]:
    """The jobs of every layer that Dagster fills."""
    names = [source.name for source in sources]
    layers = {LAKE: [[LAKE, name] for name in names], WAREHOUSE: [[WAREHOUSE, name] for name in names]}
    for layer, grain, title in _GRAINS:
        layers[title] = [[layer, answer.name] for answer in answers if answer.grain == grain]
    return [
        dg.define_asset_job(name, dg.AssetSelection.assets(*keys), description=f"Materializes {_listed(keys)}.")
        for name, keys in layers.items()
    ]


_GRAINS = [
    (layer, grain, f"{layer}_{title}")
    for layer in (ANALYTICS, PUBLISHED)
    for grain, title in (("day", "daily"), ("month", "monthly"))
]


def _listed(keys: Sequence[Sequence[str]]) -> str:
    return ", ".join("/".join(key) for key in keys)
