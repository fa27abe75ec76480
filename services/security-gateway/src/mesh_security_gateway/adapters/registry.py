"""Implements `ports.AgentRegistry` over the registry's HTTP API."""

from http import HTTPStatus
from typing import TypeVar

import httpx
from mesh_shared.errors import Unavailable
from mesh_shared.http import asking
from mesh_shared.wire import Address, ReadModel, Units
from pydantic import ValidationError

from mesh_security_gateway.domain.standing import Standing

NAME = "registry"
ModelT = TypeVar("ModelT", bound=ReadModel)


class _Agent(ReadModel):
    owner: Address
    active: bool
    stakeAmount: Units


class _Signature(ReadModel):
    owner: Address
    signed: bool


class HttpRegistry:
    """`url` is null where there is no registry: then no agent is known, and nobody comes in by a wallet."""

    def __init__(self, http: httpx.AsyncClient, url: str | None, auth: httpx.Auth) -> None:
        self._http = http
        self._url = url
        self._auth = auth

    async def standing(self, agent: str) -> Standing | None:
        found = await self._ask("GET", f"/v1/agents/{agent}")
        if found is None:
            return None
        said = _read(_Agent, found)
        return Standing(owner=said.owner, is_active=said.active, stake_units=int(said.stakeAmount))

    async def has_signed(self, agent: str, owner: str, text: str, signature: str) -> bool:
        body = {"text": text, "signature": signature}
        found = await self._ask("POST", f"/v1/agents/{agent}/signatures", body)
        if found is None:
            return False
        said = _read(_Signature, found)
        return said.signed and said.owner == owner

    async def _ask(self, method: str, path: str, body: dict[str, str] | None = None) -> bytes | None:
        """The answer's body, None for what is not there."""
        if self._url is None:
            return None
        async with asking(NAME):
            # Agents are anybody's to see; only what costs the registry something needs a session.
            auth = self._auth if body is not None else None
            response = await self._http.request(method, f"{self._url}{path}", json=body, auth=auth)
            if response.status_code == HTTPStatus.NOT_FOUND:
                return None
            if not response.is_success:
                raise Unavailable(NAME)
        return response.content


def _read(kind: type[ModelT], content: bytes) -> ModelT:
    try:
        return kind.model_validate_json(content)
    except ValidationError:
        raise Unavailable(NAME) from None
