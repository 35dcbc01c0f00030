"""What runs made: in a line for each asset, and which event days of the lake they touched.

Here: from the events of runs to partitions and rows, and the line. Not here: running anything (see `in_process`), and
what the log of a run says of each partition (see `metadata.metrics`).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

import dagster as dg

from dataflow_assets.core.formatting import counted
from dataflow_assets.orchestration.keys import DAYS_SUFFIX, LAKE, PUBLISHED, REJECTS

_COUNTED = ("rows", "accepted", "rejected")


@dataclass(frozen=True)
class Made:
    """The partitions of an asset that were made, and the rows that they have now.

    `accepted` and `rejected` are rows of the files that were taken in, of the lake alone: its partitions have those of
    other files too.
    """

    asset: str
    partitions: int
    rows: int
    accepted: int | None = None
    rejected: int = 0

    def __str__(self) -> str:
        """One line, of fewer than 80 characters unless a name or a number is very large."""
        rejected = f"{self.rejected:,} rejected" if self.rejected else ""
        rows = counted(self.rows, "row") if self.accepted is None else f"{self.accepted:,} accepted"
        return (
            f"{self.asset} {rows.rjust(51 - len(self.asset))}{rejected:>13} {counted(self.partitions, 'partition'):>13}"
        )


def read_materializations(instance: dg.DagsterInstance, run_id: str) -> list[dg.AssetMaterialization]:
    """What a run materialized, a step that failed included: of such, the result itself knows no events."""
    logged = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    events = (entry.get_dagster_event() for entry in logged)
    return [event.step_materialization_data.materialization for event in events if event.asset_key]


def find_touched(materializations: Iterable[dg.AssetMaterialization]) -> dict[str, set[date]]:
    """The event days, by source, that a run of the lake says it touched."""
    found: dict[str, set[date]] = {}
    for one in materializations:
        layer, name = one.asset_key.path
        if layer == LAKE and name.endswith(DAYS_SUFFIX) and one.partition:
            found.setdefault(name.removesuffix(DAYS_SUFFIX), set()).add(date.fromisoformat(one.partition))
    return found


def summarize_made(materializations: Iterable[dg.AssetMaterialization]) -> Iterator[Made]:
    """A summary for each asset, in the order in which they were made; the published copies are one.

    What follows from another asset of the same run, which the lake says of event days and rejects, is left out.
    """
    by_asset: dict[str, dict[str, Mapping[str, int]]] = {}
    for one in materializations:
        layer, name = one.asset_key.path[0], one.asset_key.path[-1]
        if tuple(one.asset_key.path) == REJECTS or (layer == LAKE and name.endswith(DAYS_SUFFIX)):
            continue
        asset = PUBLISHED if layer == PUBLISHED else one.asset_key.to_user_string()
        by_asset.setdefault(asset, {})[f"{name} {one.partition}"] = _counts(one)
    for asset, partitions in by_asset.items():
        sums = {name: [counts[name] for counts in partitions.values() if name in counts] for name in _COUNTED}
        accepted = sum(sums["accepted"]) if sums["accepted"] else None
        yield Made(asset, len(partitions), sum(sums["rows"]), accepted, sum(sums["rejected"]))


def _counts(materialization: dg.AssetMaterialization) -> Mapping[str, int]:
    found = {name: materialization.metadata.get(name) for name in _COUNTED}
    return {name: value.value or 0 for name, value in found.items() if isinstance(value, dg.IntMetadataValue)}
