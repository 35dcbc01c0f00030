"""The assets as datasets of OpenLineage: where each is kept, its columns, and what these are made from.

Here: names by OpenLineage's rules, and facets. Not here: what a run did to a dataset (see `events`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import dagster as dg
from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.facet_v2 import (
    column_lineage_dataset,
    documentation_dataset,
    ownership_dataset,
    schema_dataset,
)

from dataflow_assets.orchestration.keys import ANALYTICS, DAYS_SUFFIX, LAKE, PUBLISHED, WAREHOUSE
from dataflow_assets.settings import Settings

_COLUMNS, _LINEAGE = "dagster/column_schema", "dagster/column_lineage"


@dataclass(frozen=True)
class Datasets:
    """The datasets of some assets, by the assets' keys."""

    settings: Settings
    specs: Mapping[dg.AssetKey, dg.AssetSpec]

    def key_of(self, asset: dg.AssetKey) -> dg.AssetKey:
        """The asset that stands for a dataset: the days of a lake's table are no dataset beside it."""
        layer, name = asset.path[0], asset.path[-1]
        table = dg.AssetKey([layer, name.removesuffix(DAYS_SUFFIX)])
        return table if layer == LAKE and name.endswith(DAYS_SUFFIX) and table in self.specs else asset

    def inputs_of(self, asset: dg.AssetKey) -> list[dg.AssetKey]:
        """The datasets that an asset is made from."""
        return sorted({self.key_of(dep.asset_key) for dep in self.specs[asset].deps})

    def read(self, asset: dg.AssetKey, facets: dict[str, Any]) -> InputDataset:
        """A dataset that a run read."""
        namespace, name = self._locate(asset)
        return InputDataset(namespace, name, facets=self._describe(asset), inputFacets=facets)

    def written(self, asset: dg.AssetKey, facets: dict[str, Any]) -> OutputDataset:
        """A dataset that a run wrote."""
        namespace, name = self._locate(asset)
        return OutputDataset(namespace, name, facets=self._describe(asset), outputFacets=facets)

    def _locate(self, asset: dg.AssetKey) -> tuple[str, str]:
        """The namespace and the name by which others that know the dataset call it, too."""
        layer, name = asset.path[0], asset.path[-1]
        if layer in (WAREHOUSE, ANALYTICS):
            url = self.settings.database_url
            parts = urlsplit(url.get_secret_value() if url else "postgresql://localhost/postgres")
            server = f"postgres://{parts.hostname or 'localhost'}:{parts.port or 5432}"
            return server, f"{parts.path.removeprefix('/')}.{layer}.{name}"
        if layer == PUBLISHED:
            return f"duckdb://{self.settings.published_file}", f"{layer}.{name}"
        if self.settings.s3_bucket:
            return f"s3://{self.settings.s3_bucket}", f"{layer}/{name}"
        return "file", f"{self.settings.home}/{layer}/{name}"

    def _describe(self, asset: dg.AssetKey) -> dict[str, Any]:
        spec = self.specs[asset]
        facets: dict[str, Any] = {
            "ownership": ownership_dataset.OwnershipDatasetFacet(
                [ownership_dataset.Owner(owner) for owner in spec.owners]
            )
        }
        if spec.description:
            facets["documentation"] = documentation_dataset.DocumentationDatasetFacet(spec.description)
        if isinstance(columns := spec.metadata.get(_COLUMNS), dg.TableSchema):
            facets["schema"] = schema_dataset.SchemaDatasetFacet(
                [
                    schema_dataset.SchemaDatasetFacetFields(column.name, column.type, column.description)
                    for column in columns.columns
                ]
            )
        if isinstance(lineage := spec.metadata.get(_LINEAGE), dg.TableColumnLineage):
            facets["columnLineage"] = column_lineage_dataset.ColumnLineageDatasetFacet(
                {column: self._made_from(deps) for column, deps in lineage.deps_by_column.items()}
            )
        return facets

    def _made_from(self, deps: Iterable[dg.TableColumnDep]) -> column_lineage_dataset.Fields:
        return column_lineage_dataset.Fields(
            [
                column_lineage_dataset.InputField(*self._locate(self.key_of(dep.asset_key)), dep.column_name)
                for dep in deps
            ]
        )


def collect_datasets(settings: Settings, assets: Iterable[dg.AssetsDefinition | dg.AssetSpec]) -> Datasets:
    """The datasets of all of these assets."""
    specs = [spec for one in assets for spec in ([one] if isinstance(one, dg.AssetSpec) else one.specs)]
    return Datasets(settings, {spec.key: spec for spec in specs})
