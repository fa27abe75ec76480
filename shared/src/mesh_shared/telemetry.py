"""Traces that join across services, and JSON logs that carry the trace id."""

import logging
import sys
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, cast

import orjson
import structlog
from fastapi.telemetry import TelemetryConfig
from opentelemetry import context, propagate, trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from starlette.types import Scope
from structlog.typing import EventDict, WrappedLogger

QUIET_PATHS = frozenset({"/livez", "/readyz", "/metrics", "/v1/events/stream"})
UNTRACED: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""FastAPI's own telemetry, off: its spans carry the address, and its log records submitted values."""
_CONTEXT = frozenset({b"traceparent", b"tracestate"})
_tracer = trace.get_tracer(__name__)


def tracing(service: str, version: str, otlp_endpoint: str | None) -> TracerProvider:
    """A provider that always makes trace ids, and exports spans when there is somewhere to send them.

    Without that a span is its ids only.
    """
    resource = Resource.create({"service.name": service, "service.version": version})
    provider = TracerProvider(sampler=ALWAYS_ON if otlp_endpoint else ALWAYS_OFF, resource=resource)
    if otlp_endpoint:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - 5 MB that few need
            OTLPSpanExporter,
        )

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(otlp_endpoint)))
    return provider


@contextmanager
def request(scope: Scope) -> Generator[None, None, None]:
    """The span of a request, in the trace of its caller (W3C Trace Context).

    It names the route and never the address: what a caller wrote into that may be a key. FastAPI's own spans
    carry it, and take longer than some of our answers.
    """
    kind = scope.get("method", "WS")
    said = {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in _CONTEXT}
    of_caller = propagate.extract(said) if said else Context()
    span = _tracer.start_span(kind, of_caller, trace.SpanKind.SERVER)
    token = context.attach(trace.set_span_in_context(span, of_caller))
    try:
        yield
    finally:
        context.detach(token)
        if span.is_recording() and (route := getattr(scope.get("route"), "path", None)) is not None:
            span.update_name(f"{kind} {route}")
            span.set_attributes({"http.request.method": kind, "http.route": route})
        span.end()


def answered(status: int) -> None:
    """Says in the span that we are in how the request ended."""
    span = trace.get_current_span()
    if span.is_recording():
        span.set_attribute("http.response.status_code", status)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            span.set_status(trace.StatusCode.ERROR)


def traceparent() -> str | None:
    """The trace that we are in, to be stored with work that is done later (W3C Trace Context)."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def continued(name: str, stored: str | None) -> Generator[None, None, None]:
    """A span of the trace that was `stored` with the work; of a new one without it."""
    before = propagate.extract({"traceparent": stored} if stored else {})
    with _tracer.start_as_current_span(name, context=before):
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
    known = trace.get_current_span().get_span_context()
    if known.is_valid:
        event["trace_id"] = format(known.trace_id, "032x")
        event["span_id"] = format(known.span_id, "016x")
    return event


def _with_service(service: str) -> Any:
    def add(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    return add
