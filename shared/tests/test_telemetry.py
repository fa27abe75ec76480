import json
import logging
import subprocess
import sys
from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Header
from mesh_shared import http, serve, telemetry
from mesh_shared.testing import running, served
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

PROGRAM = """
import logging, structlog
from mesh_shared import telemetry
telemetry.logs("tests", "INFO")
try:
    secret = "sk-local"
    raise RuntimeError("sk-message")
except RuntimeError as error:
    structlog.get_logger().error("failed", exc_info=error)
    logging.getLogger("foreign").exception("failed too")
"""


def test_a_log_line_is_json_and_says_where_it_broke_without_what_was_in_there():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60
    )

    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(line["service"], line["level"], line["exception"]) for line in lines] == [
        ("tests", "error", "RuntimeError")
    ] * 2
    assert "<module>" in lines[0]["stack"][0]
    assert "sk-" not in done.stderr


async def test_an_answer_carries_the_trace_of_its_caller(app: FastAPI):
    traceparent = f"00-{'a1' * 16}-{'b2' * 8}-01"
    async with running(app) as caller:
        problem = (await caller.get("/v1/notes/none", headers={"traceparent": traceparent})).json()

    assert problem["trace_id"] == "a1" * 16


async def test_a_call_to_another_service_joins_our_trace():
    app = FastAPI()

    @app.get("/")
    async def show(traceparent: Annotated[str, Header()]) -> str:
        return traceparent

    tracer = trace.get_tracer("tests")
    async with served(app) as url, http.client() as client:
        with tracer.start_as_current_span("caller") as span:
            seen = (await client.get(url)).json()

    assert seen.split("-")[1] == format(span.get_span_context().trace_id, "032x")


def test_work_that_is_done_later_is_part_of_the_trace_that_asked_for_it():
    with trace.get_tracer("tests").start_as_current_span("asked") as asked:
        stored = telemetry.traceparent()

    with telemetry.continued("done", stored):
        done = trace.get_current_span().get_span_context()

    assert done.trace_id == asked.get_span_context().trace_id
    assert done.span_id != asked.get_span_context().span_id


def test_work_that_nobody_asked_for_has_a_trace_of_its_own():
    with telemetry.continued("done", None):
        done = trace.get_current_span().get_span_context()

    assert done.is_valid


async def test_a_span_names_the_route_and_how_it_ended_and_never_the_address(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
):
    provider, spans = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr(telemetry, "_tracer", provider.get_tracer("tests"))

    async with running(app) as caller:
        await caller.get("/v1/notes/sk-path?key=sk-query")

    (span,) = spans.get_finished_spans()
    attributes = dict(span.attributes or {})
    assert span.name == f"GET {attributes['http.route']}"
    assert attributes["http.response.status_code"] == 404
    assert "sk-" not in span.to_json()


def test_a_span_that_goes_nowhere_is_its_ids_only():
    provider = telemetry.tracing("tests", "1", None)

    span = provider.get_tracer("tests").start_span("asked")

    assert not span.is_recording()
    assert span.get_span_context().is_valid


def breaks() -> None:
    secret = "sk-local"
    raise RuntimeError("sk-message") from KeyError(secret)


def test_a_failure_is_told_by_its_kind_and_its_place_however_it_is_handed_over():
    with pytest.raises(RuntimeError) as raised:
        breaks()
    error = raised.value
    spelled = [error, (type(error), error, error.__traceback__)]

    told = [telemetry._with_stack(None, "error", {"event": "failed", "exc_info": each}) for each in spelled]

    for event in told:
        assert event["exception"] == "RuntimeError"
        assert event["stack"][-1].endswith(" breaks")
        assert "exc_info" not in event
        assert "sk-" not in str(event)


def test_the_failure_that_is_being_handled_is_meant_by_true():
    event: dict[str, Any] = {}
    try:
        breaks()
    except RuntimeError:
        event |= telemetry._with_stack(None, "error", {"event": "failed", "exc_info": True})

    assert event["exception"] == "RuntimeError"
    assert "sk-" not in str(event)


@pytest.mark.parametrize("said", [None, False, True, (None, None, None)])
def test_where_nothing_failed_nothing_is_said_of_it(said: object):
    event = telemetry._with_stack(None, "info", {"event": "fine", "exc_info": said})

    assert event == {"event": "fine"}


def test_a_line_joins_the_trace_in_which_it_was_written_and_none_outside():
    with trace.get_tracer("tests").start_as_current_span("asked") as span:
        inside = telemetry._with_trace(None, "info", {"event": "said"})
    outside = telemetry._with_trace(None, "info", {"event": "said"})

    assert inside["trace_id"] == format(span.get_span_context().trace_id, "032x")
    assert inside["span_id"] == format(span.get_span_context().span_id, "016x")
    assert outside == {"event": "said"}


@pytest.mark.parametrize("name", ["uvicorn.access", "httpx", "httpcore", "aiohttp.access", "alembic"])
def test_libraries_that_name_addresses_keep_quiet_whatever_level_we_have(name: str):
    assert logging.getLogger(name).level == logging.WARNING


def said_by_uvicorn(message: str, *arguments: object) -> bool:
    record = logging.LogRecord("uvicorn.error", logging.INFO, "", 1, message, arguments, None)
    return serve._is_telling(record)


def test_of_handshakes_nothing_is_told_and_of_everything_else_all():
    assert not said_by_uvicorn('%s - "WebSocket %s" [accepted]', "127.0.0.1", "/v1/ws?key=sk-query")
    assert not said_by_uvicorn("ASGI callable returned without completing handshake.")
    assert said_by_uvicorn("Application startup complete.")


def test_a_service_without_websockets_speaks_none():
    assert serve.websockets(are_served=False) == {"ws": "none"}


def test_messages_of_websockets_are_bounded_and_what_was_sent():
    """A compressed one of a few bytes could be a gigabyte."""
    told = serve.websockets(are_served=True)

    assert (told["ws_max_size"], told["ws_per_message_deflate"]) == (1 << 20, False)


def test_a_stored_trace_that_is_none_is_no_reason_to_fail():
    for stored in ("", "00-zz-zz-01", "sk-not-a-trace", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"):
        with telemetry.continued("done", stored):
            assert trace.get_current_span().get_span_context().is_valid


def test_outside_of_every_trace_there_is_none_to_store():
    assert telemetry.traceparent() is None
