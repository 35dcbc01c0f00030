"""How requests were answered, counted for a monitoring system.

Here: the counters of one server. Not here: what the platform holds (see `platform_metrics`).
"""

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)  # a stream may take 120


class HttpMetrics:
    """Requests by method, route and status; a route is a pattern, so that no path or value is kept."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series each: when it began
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "dataflow_http_requests_total",
            "Requests, by what they were answered.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "dataflow_http_request_seconds",
            "Seconds from a request's head to the end of its answer.",
            ["method", "route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._broken = Counter(
            "dataflow_http_broken_answers_total",
            "Answers that began and were broken off, whatever their status.",
            ["route"],
            registry=self.registry,
        )

    def count(self, method: str, route: str, status: int, seconds: float, *, is_whole: bool) -> None:
        """Count a request that was answered; status 0: nothing was sent."""
        known = method if method in _METHODS else "other"
        self._requests.labels(known, route, status).inc()
        self._seconds.labels(known, route).observe(seconds)
        if status and not is_whole:
            self._broken.labels(route).inc()
