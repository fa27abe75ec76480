"""The five services over their public REST APIs, asked with the visitor's own token."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter, ValidationError

from mesh_console.errors import Refused, SignedOut, Unreachable

SERVICES = ("registry", "coordinator", "deployer", "security-gateway", "workspace-analyzer")


@dataclass(slots=True)
class Mesh:
    """What one visitor may ask; `asked` are the reading requests so far, for who wants to repeat them."""

    http: httpx.AsyncClient
    urls: Mapping[str, str]
    token: str = ""
    asked: list[str] = field(default_factory=list[str])

    async def get(self, service: str, path: str, **params: Any) -> Any:
        """The JSON of an answer. Raises `SignedOut`, `Refused` and `Unreachable`."""
        query = {name: value for name, value in params.items() if value not in (None, "")}
        response = await self.send("GET", service, path, params=query)
        self.asked.append(_curl(str(response.request.url), bool(self.token)))
        return _json(service, response)

    async def post(
        self,
        service: str,
        path: str,
        body: Any = None,
        *,
        key: str = "",
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Any:
        """Like `get`; a repetition with the same idempotency `key` has no second effect."""
        fields = dict(headers or {}) | ({"Idempotency-Key": quote(key)} if key else {})
        response = await self.send("POST", service, path, json=body, headers=fields, params=params)
        return _json(service, response)

    async def send(self, method: str, service: str, path: str, **options: Any) -> httpx.Response:
        """A good answer. Raises `SignedOut`, `Refused` and `Unreachable`."""
        headers = options.pop("headers", {})
        if self.token:
            headers = {**headers, "Authorization": f"Bearer {self.token}"}
        try:
            response = await self.http.request(method, self.urls[service] + path, headers=headers, **options)
        except httpx.TransportError:
            raise Unreachable(service) from None
        if response.status_code == HTTPStatus.UNAUTHORIZED and self.token:
            raise SignedOut("Your session has ended.")
        if response.is_success:
            return response
        raise Refused(service, response.status_code, _problem(response))


def _json(service: str, response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        raise Unreachable(service) from None


def _problem(response: httpx.Response) -> dict[str, object]:
    """What a service says of its refusal; nothing when that is no problem document."""
    try:
        return TypeAdapter(dict[str, object]).validate_json(response.content)
    except ValidationError:
        return {}


def _curl(url: str, is_signed_in: bool) -> str:
    token = ' -H "Authorization: Bearer $TOKEN"' if is_signed_in else ""
    return f"curl -s{token} {shlex.quote(url)}"
