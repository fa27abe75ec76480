"""One log line and one histogram entry per request, by route and never by address."""

import time
from collections.abc import Iterator

import structlog
from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mesh_shared import telemetry
from mesh_shared.web.health import Checks

log = structlog.get_logger()
router = APIRouter(tags=["meta"])


class Metrics:
    """The Prometheus metrics of one app; a registry of its own, so that apps in one process do not mix."""

    def __init__(self, service: str) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Histogram(
            "mesh_http_request_duration_seconds",
            "Time to answer, by route template and status.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.service = service

    def watch(self, checks: Checks) -> None:
        """Shows each dependency as 1 (up) or 0 (down)."""
        self.registry.register(_DependencyCollector(checks))


class _DependencyCollector(Collector):
    def __init__(self, checks: Checks) -> None:
        self._checks = checks

    def collect(self) -> Iterator[Metric]:
        gauge = GaugeMetricFamily(
            "mesh_dependency_up", "1 while the dependency answers.", labels=["dependency"]
        )
        for name, up in self._checks.last().items():
            gauge.add_metric([name], float(up))
        yield gauge


class Observe:
    """Outermost middleware of ours: sees the status that the caller sees."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, started = 500, time.perf_counter()

        async def observe(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-content-type-options", b"nosniff")]
            await send(message)

        try:
            await self._app(scope, receive, observe)
        finally:
            self._record(scope, status, time.perf_counter() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        self._metrics.requests.labels(scope["method"], route, status).observe(seconds)
        telemetry.answered(status)
        if scope["path"] not in telemetry.QUIET_PATHS:
            log.info(
                "request", method=scope["method"], route=route, status=status, ms=round(seconds * 1000, 2)
            )


@router.get(
    "/metrics",
    operation_id="get_metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}},
)
async def metrics(request: Request) -> Response:
    """Prometheus text format."""
    own: Metrics = request.app.state.platform.metrics
    return Response(generate_latest(own.registry), media_type=CONTENT_TYPE_LATEST)
