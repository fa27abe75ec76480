"""Every error leaves as an RFC 9457 problem document; none repeats what was submitted."""

from collections.abc import Mapping
from html import escape
from http import HTTPStatus
from typing import Any, cast

import structlog
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.routing import APIRoute
from opentelemetry import trace
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import compile_path

from mesh_shared.errors import (
    BodyTooLarge,
    FieldError,
    IdempotencyKeyRequired,
    InvalidRequest,
    MalformedRequest,
    MeshError,
    NotFound,
    PreconditionRequired,
    known_errors,
)

MEDIA_TYPE = "application/problem+json"

_FRAMEWORK_TITLES = {
    HTTPStatus.NOT_FOUND: ("route-not-found", "No such route"),
    HTTPStatus.METHOD_NOT_ALLOWED: ("method-not-allowed", "Method not allowed"),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (BodyTooLarge.code(), BodyTooLarge.title),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: ("unsupported-media-type", "Unsupported media type"),
    HTTPStatus.BAD_REQUEST: (MalformedRequest.code(), MalformedRequest.title),
    HTTPStatus.INTERNAL_SERVER_ERROR: ("internal-error", "Internal error"),
}

_REQUIRED_HEADERS = {
    "idempotency-key": IdempotencyKeyRequired("Send an Idempotency-Key: money or a deployment moves here."),
    "if-match": PreconditionRequired("Send If-Match with the ETag of the version that you mean to change."),
}

router = APIRouter(tags=["meta"])
log = structlog.get_logger()


class Fault(BaseModel):
    part: str = Field(description="`body`, `query`, `path` or `header`.")
    pointer: str = Field(description="RFC 6901 JSON Pointer into that part.")
    detail: str


class Problem(BaseModel):
    """RFC 9457 problem document."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="Address of a page about this kind of problem.")
    title: str
    status: int
    detail: str
    instance: str
    code: str = Field(description="Stable name of the problem; switch on this.")
    trace_id: str = Field(description="Joins this answer with the logs and traces of all services.")
    errors: list[Fault] | None = None


def trace_id() -> str:
    """The current trace id as 32 hex digits."""
    return format(trace.get_current_span().get_span_context().trace_id, "032x")


def document(
    path: str, status: int, code: str, title: str, detail: str, members: Mapping[str, object]
) -> dict[str, object]:
    return dict(members) | {
        "type": f"/problems/{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": path,
        "code": code,
        "trace_id": trace_id(),
    }


def render(path: str, error: MeshError) -> JSONResponse:
    """The response for `error`; `path` is the request's."""
    body = document(path, error.status, error.code(), error.title, error.detail, error.members)
    return JSONResponse(body, error.status, dict(error.headers()), MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Registers the handlers that leave no path without a problem document."""
    app.router.routes += router.routes
    app.add_exception_handler(MeshError, _on_mesh_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(ClientDisconnect, _on_cut_off)
    app.add_exception_handler(Exception, _on_bug)


async def _on_mesh_error(request: Request, raised: Exception) -> JSONResponse:
    return render(request.url.path, cast("MeshError", raised))


def invalid(raised: RequestValidationError) -> MeshError:
    """`raised` as an outcome, with the places of the faults and without the values."""
    errors = cast("list[dict[str, Any]]", raised.errors())
    if any(error["type"] == "json_invalid" for error in errors):
        return MalformedRequest("The body is not valid JSON.")
    missing = {str(error["loc"][-1]).lower() for error in errors if error["type"] == "missing"}
    for header, outcome in _REQUIRED_HEADERS.items():
        if header in missing:
            return outcome
    return InvalidRequest([_field_error(error) for error in errors])


def _field_error(error: dict[str, Any]) -> FieldError:
    part, *steps = error["loc"] or ("body",)
    escaped = (str(step).replace("~", "~0").replace("/", "~1") for step in steps)
    return FieldError(str(part), "".join(f"/{step}" for step in escaped), error["msg"])


async def _on_invalid_request(request: Request, raised: Exception) -> JSONResponse:
    errors = cast("list[dict[str, Any]]", cast("RequestValidationError", raised).errors())
    if any(error["loc"][:1] == ("path",) for error in errors) and request.url.path in _paths(request):
        # Written out for other methods, and taken for what a template makes of it.
        return await _on_http_exception(request, HTTPException(HTTPStatus.METHOD_NOT_ALLOWED))
    return render(request.url.path, invalid(cast("RequestValidationError", raised)))


async def _on_http_exception(request: Request, raised: Exception) -> JSONResponse:
    error = cast("HTTPException", raised)
    status = HTTPStatus(error.status_code)
    code, title = _FRAMEWORK_TITLES.get(status, (status.name.lower().replace("_", "-"), status.phrase))
    headers = dict(error.headers or {})
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(sorted(_allowed_methods(request))) or headers["Allow"]
    body = document(request.url.path, status, code, title, f"{status.phrase}.", {})
    return JSONResponse(body, status, headers, MEDIA_TYPE)


def _allowed_methods(request: Request) -> set[str]:
    """Methods over all routes of the path; the framework names only those of the first route.

    A path that is written out is not also what a template makes of it (OpenAPI 3.1, "Paths Object").
    """
    paths, asked = _paths(request), request.url.path
    here = [asked] if asked in paths else [path for path in paths if compile_path(path)[0].match(asked)]
    return {method for path in here for method in paths[path]}


def _paths(request: Request) -> dict[str, set[str]]:
    """The methods of each documented path, over all its routes."""
    paths: dict[str, set[str]] = {}
    for route in cast("FastAPI", request.app).routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            paths.setdefault(route.path_format, set()).update(route.methods or ())
    return paths


async def _on_cut_off(request: Request, raised: Exception) -> JSONResponse:
    """Nobody reads this; without it, whoever hangs up in the middle of a body is logged as a bug of ours."""
    return render(request.url.path, MalformedRequest("The body ended before it was whole."))


async def _on_bug(request: Request, raised: Exception) -> JSONResponse:
    log.error("unhandled", exception=type(raised).__qualname__, route=_route(request), exc_info=raised)
    code, title = _FRAMEWORK_TITLES[HTTPStatus.INTERNAL_SERVER_ERROR]
    body = document(
        request.url.path, 500, code, title, "A bug of ours; the trace id finds it in our logs.", {}
    )
    return JSONResponse(body, 500, media_type=MEDIA_TYPE)


def _route(request: Request) -> str:
    """The template of the address; what a caller wrote into it may be a secret."""
    return getattr(request.scope.get("route"), "path", "unmatched")


def _titles() -> dict[str, tuple[int, str, str]]:
    framework = {code: (int(status), title, "") for status, (code, title) in _FRAMEWORK_TITLES.items()}
    ours = {e.code(): (int(e.status), e.title, (e.__doc__ or "").strip()) for e in known_errors()}
    return framework | ours


@router.get(
    "/problems/{code}", operation_id="get_problem_page", response_class=HTMLResponse, include_in_schema=False
)
async def problem_page(code: str) -> HTMLResponse:
    """What a problem `type` of this service means."""
    if code not in (titles := _titles()):
        raise NotFound("No problem has that code.")
    status, title, text = titles[code]
    return HTMLResponse(
        f"<!doctype html><title>{escape(title)}</title><h1>{status} {escape(title)}</h1><p>{escape(text)}</p>"
    )
