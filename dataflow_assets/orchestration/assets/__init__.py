"""The assets of every layer, built from the declarations of sources and answers.

Here: putting them together. Not here: each layer's assets (see the other files), and what makes them run (see
`automation`).
"""

from collections.abc import Sequence

import dagster as dg

from dataflow_assets.analytics import Answer
from dataflow_assets.orchestration.assets.answers import build_answer_asset
from dataflow_assets.orchestration.assets.collected import build_collected_asset
from dataflow_assets.orchestration.assets.lake import build_days_spec, build_lake_asset, build_rejects_spec
from dataflow_assets.orchestration.assets.landing import build_landing_spec
from dataflow_assets.orchestration.assets.published import build_published_asset
from dataflow_assets.orchestration.assets.warehouse import build_warehouse_asset
from dataflow_assets.settings import Settings
from dataflow_assets.sources.base import Events, Source


def build_assets(
    settings: Settings, sources: Sequence[Source], answers: Sequence[Answer]
) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """Every asset of the platform."""
    assets: list[dg.AssetsDefinition | dg.AssetSpec] = [build_rejects_spec(settings, sources)]
    for source in sources:
        build_landing = build_collected_asset if source.arrives else build_landing_spec
        assets += [build_landing(settings, source), build_lake_asset(settings, source)]
        if isinstance(source, Events):
            assets.append(build_days_spec(settings, source))
        assets.append(build_warehouse_asset(settings, source))
    for answer in answers:
        assets += [build_answer_asset(settings, answer), build_published_asset(settings, answer)]
    return assets
