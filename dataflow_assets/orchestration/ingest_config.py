"""Which deliveries a run of a lake asset takes, as its configuration.

Here: the configuration, and making it. Not here: what a run does with them (see `lake_run`).
"""

from collections.abc import Iterable
from typing import Any

import dagster as dg
from pydantic import Field

from dataflow_assets.landing.deliveries import Delivery
from dataflow_assets.orchestration.keys import LAKE


class IngestConfig(dg.Config):
    """What a run of a lake asset ingests."""

    objects: list[str] = Field([], description="Keys of objects of the run's days; where none is named, all of them.")
    release: dict[str, str] = Field(
        {}, description="Etags of versions that are loaded although they would be quarantined, by the object's key."
    )


def ingest_config(deliveries: Iterable[Delivery], *, release: bool = False) -> dict[str, Any]:
    """The configuration of a run that ingests these deliveries, and not what else was landed on their days."""
    etags: dict[str, dict[str, str]] = {}
    for delivery in deliveries:
        etags.setdefault(delivery.source, {})[delivery.object] = delivery.etag
    return {
        "ops": {
            dg.AssetKey([LAKE, source]).to_python_identifier(): {
                "config": {"objects": sorted(found), "release": found if release else {}}
            }
            for source, found in etags.items()
        }
    }
