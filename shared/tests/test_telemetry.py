import json
import subprocess
import sys
from typing import Annotated

from fastapi import FastAPI, Header
from mesh_shared import http, telemetry
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


async def test_a_span_names_the_route_and_never_the_address():
    provider, spans = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    app = FastAPI(telemetry=telemetry.fastapi_config(provider))

    @app.get("/notes/{name}")
    async def show(name: str) -> str:
        return name

    async with running(app) as caller:
        await caller.get("/notes/sk-path?key=sk-query")

    (span,) = spans.get_finished_spans()
    assert (span.name, (span.attributes or {})["http.route"]) == ("GET /notes/{name}", "/notes/{name}")
    assert "sk-" not in span.to_json()
