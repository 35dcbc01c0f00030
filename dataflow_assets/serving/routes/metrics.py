"""The state of server and platform, for Prometheus.

Here: a route. Not here: counting and measuring (see `http_metrics` and `platform_metrics`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, Metric, generate_latest

from dataflow_assets.serving.access import Reader
from dataflow_assets.serving.refusals import NotAllowedError
from dataflow_assets.serving.state import State

router = APIRouter(tags=["health"])


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def read_metrics(state: State, reader: Reader) -> Response:
    """How requests were answered, and what the platform holds, in the text format of Prometheus.

    They tell of all sources, so only those who may read all sources get them.
    """
    if reader.sources is not None:
        raise NotAllowedError(f"Metrics are of all sources, and {reader.name} may not read all of them.")
    measured = _Measured(await state.platform_metrics.read())
    body = generate_latest(state.http_metrics.registry) + generate_latest(measured)
    return Response(body, headers={"Content-Type": CONTENT_TYPE_LATEST})


@dataclass(frozen=True)
class _Measured:
    metrics: Sequence[Metric]

    def collect(self) -> Sequence[Metric]:
        return self.metrics
