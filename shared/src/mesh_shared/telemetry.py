"""Traces that join across services, and JSON logs that carry the trace id."""

import logging
import sys
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

import orjson
import structlog
from fastapi.telemetry import TelemetryConfig
from opentelemetry import propagate, trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.util import types
from structlog.typing import EventDict, WrappedLogger

QUIET_PATHS = frozenset({"/livez", "/readyz", "/metrics", "/v1/events/stream"})
_ADDRESS = frozenset({"url.path", "url.query"})


def tracing(service: str, version: str, otlp_endpoint: str | None) -> TracerProvider:
    """A provider that always makes trace ids, and exports spans when there is somewhere to send them."""
    resource = Resource.create({"service.name": service, "service.version": version})
    provider = TracerProvider(resource=resource)
    if otlp_endpoint:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - 5 MB that few need
            OTLPSpanExporter,
        )

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(otlp_endpoint)))
    return provider


def fastapi_config(provider: trace.TracerProvider) -> TelemetryConfig:
    """Request spans by route; FastAPI's own carry the address, and its log records submitted values."""
    return TelemetryConfig(
        tracer_provider=_ByRoute(provider),
        metrics=False,
        logs=False,
        operation_spans=False,
        exclude=lambda scope: scope.get("path") in QUIET_PATHS,
    )


class _ByRoute(trace.TracerProvider):
    """Keeps what a caller wrote into the address, such as a key in the query, out of every span."""

    def __init__(self, provider: trace.TracerProvider) -> None:
        self._provider = provider

    def get_tracer(self, *args: Any, **kwargs: Any) -> trace.Tracer:
        return _ByRouteTracer(self._provider.get_tracer(*args, **kwargs))


class _ByRouteTracer(trace.Tracer):
    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer

    def start_span(
        self, name: str, *args: Any, attributes: types.Attributes = None, **rest: Any
    ) -> trace.Span:
        return self._tracer.start_span(name, *args, attributes=_without_address(attributes), **rest)

    def start_as_current_span(self, name: str, *args: Any, attributes: types.Attributes = None, **rest: Any):
        kept = _without_address(attributes)
        return self._tracer.start_as_current_span(name, *args, attributes=kept, **rest)


def _without_address(attributes: types.Attributes) -> types.Attributes:
    return {key: value for key, value in (attributes or {}).items() if key not in _ADDRESS}


def traceparent() -> str | None:
    """The trace that we are in, to be stored with work that is done later (W3C Trace Context)."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def continued(name: str, stored: str | None) -> Generator[None, None, None]:
    """A span of the trace that was `stored` with the work; of a new one without it."""
    context = propagate.extract({"traceparent": stored} if stored else {})
    with trace.get_tracer(__name__).start_as_current_span(name, context=context):
        yield


def logs(service: str, level: str) -> None:
    """Sends every log line of the process to stderr as one JSON object."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _with_trace,
        _with_service(service),
        _with_stack,
    ]
    # Our own lines go straight to the file: there is one for each request, and the standard library's way
    # takes four times as long. That is for the lines of libraries.
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(serializer=orjson.dumps)],
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
            foreign_pre_chain=shared,
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # These name every request with its full address, which may hold what must not be logged.
    for noisy in ("uvicorn.access", "httpx", "httpcore", "aiohttp.access", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _with_stack(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Where it was raised, but never its text or its locals: those can hold a secret."""
    error: Any = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    elif isinstance(error, tuple):  # as the standard library's records have it
        error = cast("Any", error)[1]
    if isinstance(error, BaseException):
        frames = traceback.extract_tb(error.__traceback__)
        event["exception"] = type(error).__qualname__
        event["stack"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return event


def _with_trace(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = format(context.trace_id, "032x")
        event["span_id"] = format(context.span_id, "016x")
    return event


def _with_service(service: str) -> Any:
    def add(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    return add
