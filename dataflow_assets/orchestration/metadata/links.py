"""Where to look next: what an asset, or a partition of it, says of its deliveries and its rejects.

Here: commands, statements and links, as metadata. Not here: metrics (see `metrics`).
"""

from collections.abc import Sequence
from datetime import date

import dagster as dg

from dataflow_assets.core.formatting import code_span
from dataflow_assets.sources.base import Events, Source

_MOST_OBJECTS = 10


def deliveries(source: Source) -> dict[str, dg.MetadataValue]:
    """What became of each file of a source."""
    return {"deliveries": dg.MetadataValue.md(f"`dataflow deliveries --source {source.name}`")}


def rejects(source: Source, ui: str) -> dict[str, dg.MetadataValue]:
    """Which rows of a source were rejected, and why; how many there are by day is said by another asset."""
    return {"rejects": dg.MetadataValue.md(f"`dataflow rejects --source {source.name}`, [by day]({_page(ui)})")}


def delivered_by(source: Source) -> dict[str, dg.MetadataValue]:
    """Which files a day of a table was made from, of yesterday: another date may stand there."""
    of_day = "DATE 'yesterday' = ANY (event_days)" if isinstance(source, Events) else "day = 'yesterday'"
    where = f"source = '{source.name}' AND {of_day}"
    command = f'`dataflow query -c "SELECT * FROM ledger.deliveries WHERE {where}"`'  # noqa: S608
    return {"deliveries": dg.MetadataValue.md(command)}


def ingested_objects(
    source: Source, day: date, objects: Sequence[str], rejected: int, ui: str
) -> dict[str, dg.MetadataValue]:
    """Which objects a partition of the lake was made from, and where the rows are that it does not have."""
    found = _listed("landed", objects)
    if not rejected:
        return found
    page = f"{_page(ui)}?view=partitions&partition={day}"
    link = f"[{rejected:,} on {day}]({page}): `dataflow rejects --source {source.name}`"
    return found | {"rejects": dg.MetadataValue.md(link)}


def collected_paths(paths: Sequence[str]) -> dict[str, dg.MetadataValue]:
    """What the files of a day are called where they were collected from."""
    return _listed("paths", paths)


def _listed(name: str, texts: Sequence[str]) -> dict[str, dg.MetadataValue]:
    more = len(texts) - _MOST_OBJECTS
    lines = [f"- {code_span(text)}" for text in texts[:_MOST_OBJECTS]] + ([f"- and {more:,} more"] if more > 0 else [])
    return {name: dg.MetadataValue.md("\n".join(lines))} if lines else {}


def _page(ui: str) -> str:
    return f"{ui.rstrip('/')}/assets/lake/rejects"
