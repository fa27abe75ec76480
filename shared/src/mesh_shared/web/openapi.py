"""Completes the OpenAPI document: every answer that the app factory can give is documented on every route."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from mesh_shared.web import problems

_ALWAYS = {400: "Malformed request", 404: "Not found", 500: "A bug of ours"}
_WITH_SECURITY = {401: "Not authenticated", 403: "Not allowed"}
_WITH_INPUT = {422: "Does not fit the schema"}
_WITH_BODY = {413: "Body too large", 415: "Not JSON"}
_ON_WRITE = {409: "Conflict", 503: "A dependency is down; try again after `Retry-After`"}
_PROBLEM = {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
_METHODS = frozenset({"get", "put", "post", "delete", "patch"})


def install(app: FastAPI) -> None:
    """Replaces the app's document with the completed one."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _complete(_generate(app))
        return app.openapi_schema

    app.openapi = document


def _generate(app: FastAPI) -> dict[str, Any]:
    return get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        routes=app.routes,
        tags=app.openapi_tags,
        servers=[{"url": "/"}],
    )


def _complete(document: dict[str, Any]) -> dict[str, Any]:
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for stock in ("HTTPValidationError", "ValidationError"):
        schemas.pop(stock, None)
    problem = problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    for path in document["paths"].values():
        for method, operation in path.items():
            if method in _METHODS:
                _complete_operation(method, operation)
    return document


def _complete_operation(method: str, operation: dict[str, Any]) -> None:
    responses: dict[str, Any] = operation["responses"]
    for status, description in _outcomes(method, operation).items():
        responses.setdefault(str(status), {"description": description})
    for status, response in responses.items():
        if status >= "400":
            response["content"] = _own_content(response) | _PROBLEM
        for body in response.get("content", {}).values():
            body.pop("itemSchema", None)  # FastAPI's word for a stream; OpenAPI 3.1 has none
    operation.setdefault("security", [])  # said, not forgotten: everybody may
    operation["responses"] = dict(sorted(responses.items()))
    for parameter in operation.get("parameters", []):
        parameter["schema"] = _in_words(parameter["schema"])


def _in_words(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a parameter that may be left out: in a URL or a header there is no way to write null."""
    options = [option for option in schema.get("anyOf", []) if option != {"type": "null"}]
    if not options:
        return schema
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    return options[0] | rest if len(options) == 1 else rest | {"anyOf": options}


def _own_content(response: dict[str, Any]) -> dict[str, Any]:
    """What a route that relays foreign answers says of them; FastAPI's own idea of an error is not ours."""
    declared: dict[str, Any] = response.get("content", {})
    return {media_type: body for media_type, body in declared.items() if media_type != "application/json"}


def _outcomes(method: str, operation: dict[str, Any]) -> dict[int, str]:
    outcomes = dict(_ALWAYS)
    if operation.get("security"):
        outcomes |= _WITH_SECURITY
    if operation.get("parameters") or operation.get("requestBody"):
        outcomes |= _WITH_INPUT
    if operation.get("requestBody"):
        outcomes |= _WITH_BODY
    if method != "get":
        outcomes |= _ON_WRITE
    return outcomes
