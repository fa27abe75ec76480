"""Answers that a service's committed OpenAPI document allows, for services that do not run here."""

import json
import re
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

DOCUMENTS = Path(__file__).parents[4] / "docs" / "openapi"
MOMENT = "2026-11-26T22:00:00Z"
BY_FORMAT = {"date-time": MOMENT, "date": "2026-11-26", "uuid": "5f80baf4-0504-50d4-9992-17cb14d75fe6"}


class Document:
    """One service as its document has it: the shape of every answer, with values of ours.

    Texts are `words` wherever the schema does not say what they are. `is_bare` answers null and empty lists
    where that is allowed.
    """

    def __init__(self, service: str, *, words: str = "words", is_bare: bool = False) -> None:
        self._document: dict[str, Any] = json.loads((DOCUMENTS / f"{service}.json").read_text())
        self._words = words
        self._is_bare = is_bare
        self.sent: list[tuple[str, dict[str, Any], str]] = []
        self.app = FastAPI(openapi_url=None)
        self.app.add_api_route("/{path:path}", self._answer, methods=["GET", "POST"])

    async def _answer(self, request: Request) -> JSONResponse:
        path, method = request.scope["raw_path"].decode(), request.method.lower()
        if method == "post":
            body = await request.body()
            key = request.headers.get("idempotency-key", "")
            self.sent.append((path, json.loads(body) if body else {}, key))
        return JSONResponse(self.sample(self._schema(path, method)))

    def _schema(self, path: str, method: str) -> dict[str, Any]:
        for template, methods in self._document["paths"].items():
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path) and method in methods:
                code, answer = next(iter(methods[method]["responses"].items()))
                assert code.startswith("2"), template
                return answer["content"]["application/json"]["schema"]
        raise AssertionError(f"no {method} {path} in the document")

    def sample(self, schema: dict[str, Any]) -> Any:
        """A value that the schema allows."""
        if "$ref" in schema:
            return self.sample(self._document["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
        if choices := schema.get("anyOf") or schema.get("oneOf"):
            return self._chosen(choices)
        if "const" in schema or "enum" in schema:
            return schema["const"] if "const" in schema else schema["enum"][0]
        return self._of_type(schema)

    def _chosen(self, choices: list[dict[str, Any]]) -> Any:
        nulls = [choice for choice in choices if choice.get("type") == "null"]
        rest = [choice for choice in choices if choice not in nulls]
        return None if nulls and self._is_bare else self.sample(rest[0])

    def _of_type(self, schema: dict[str, Any]) -> Any:
        match schema.get("type"):
            case "object":
                return {name: self.sample(each) for name, each in schema.get("properties", {}).items()}
            case "array":
                return [] if self._is_bare else [self.sample(schema["items"])]
            case "integer" | "number":
                return 1
            case "boolean":
                return True
            case "string":
                return self._text(schema)
            case _:
                return {"any": self._words}

    def _text(self, schema: dict[str, Any]) -> str:
        if "pattern" in schema:  # an amount, an id: what it looks like is told by an example
            return schema.get("examples", ["0x" + "5e" * 32])[0]
        return BY_FORMAT.get(schema.get("format", ""), self._words)
