"""The Console's API behind a connection of the security gateway, which puts the key where it belongs."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from http import HTTPStatus
from typing import Any, TypeVar

import httpx
from mesh_shared.errors import Unavailable
from mesh_shared.http import asking
from mesh_shared.wire import ReadModel
from pydantic import TypeAdapter, ValidationError

from mesh_deployer.adapters.akash.views import BidView
from mesh_deployer.adapters.console.views import (
    BidsAnswer,
    CreatedAnswer,
    Deployment,
    DeploymentAnswer,
    DeploymentPageAnswer,
    Provider,
    TokenAnswer,
)
from mesh_deployer.errors import ConsoleNotConnected

T = TypeVar("T")
NAME = "akash-console"
GATEWAY_ERROR = "x-mesh-gateway-error"
"""On every answer of the gateway itself, and on none of the Console's."""
TIMEOUT_S = 28
"""A lease takes a transaction and a provider that takes the manifest."""
MAX_BYTES = 16 * 2**20
PAGE, MOST_PAGES = 100, 20
TOKEN_S = 300
_UACT_PER_USD = 1_000_000
_SHUT_OUT = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_LATER = (*_SHUT_OUT, HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)


class Refused(Exception):
    """The Console does not do it, and says why. What is true now is seen by looking."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class _Fault(ReadModel):
    message: str


@dataclass(frozen=True, slots=True)
class Console:
    """The account at `url`, which is a connection of the gateway; `auth` is our own session there.

    Every method raises `Unavailable` when there is no answer, or none that the Console would give, and
    those that change something `Refused`. Nothing is sent twice here.
    """

    http: httpx.AsyncClient
    url: str
    auth: httpx.Auth

    async def check(self) -> None:
        """Raises `ConsoleNotConnected` when the gateway or the Console does not let us in."""
        response = await self._answer("GET", "/v1/user/me")
        if said := response.headers.get(GATEWAY_ERROR):
            if response.is_client_error and response.status_code != HTTPStatus.TOO_MANY_REQUESTS:
                raise ConsoleNotConnected(f"the gateway says {said[:100]}")
            raise Unavailable("security-gateway")
        if response.status_code in _SHUT_OUT:
            raise ConsoleNotConnected("the Console does not know the key")
        _parsed(dict[str, Any], _body(response))

    async def deployments(self, page: int = PAGE) -> list[Deployment]:
        """All that the account has and had, as far as the Console lists them."""
        found: list[Deployment] = []
        for number in range(MOST_PAGES):
            query = {"skip": number * page, "limit": page}
            listed = await self._ask(DeploymentPageAnswer, "GET", "/v1/deployments", params=query)
            found += listed.data.deployments
            if not listed.data.pagination.hasMore:
                break
        return found

    async def deployment(self, dseq: int) -> Deployment:
        """The deployment of that number; the Console may not know it yet, and is `Unavailable` then."""
        try:
            found = (await self._ask(DeploymentAnswer, "GET", f"/v1/deployments/{dseq}")).data
        except Refused:
            raise Unavailable(NAME) from None
        if found.dseq != dseq:
            raise Unavailable(NAME)
        return found

    async def create(self, sdl: str, deposit_uact: int) -> int:
        """Opens a deployment, and gives the number that the Console has given it."""
        data = {"sdl": sdl, "deposit": _usd(deposit_uact)}
        return (await self._ask(CreatedAnswer, "POST", "/v1/deployments", json={"data": data})).data.dseq

    async def bids(self, dseq: int) -> list[BidView]:
        """The bids for a deployment, by provider."""
        bids = await self._ask(BidsAnswer, "GET", "/v1/bids", params={"dseq": str(dseq)})
        found = [answer.bid for answer in bids.data if answer.bid.id.dseq == dseq]
        return sorted(found, key=lambda bid: bid.id.provider)

    async def lease(self, manifest: str, bids: Sequence[BidView]) -> None:
        """Takes one bid for each placement, and has their providers given the manifest."""
        taken = [
            {"dseq": str(id.dseq), "gseq": id.gseq, "oseq": id.oseq, "provider": id.provider}
            for id in (bid.id for bid in bids)
        ]
        body = {"manifest": manifest, "leases": taken}
        await self._ask(dict[str, Any], "POST", "/v1/leases", json=body)

    async def update(self, dseq: int, sdl: str) -> None:
        """Puts another manifest in the place of the one before, on the chain and at the provider."""
        await self._ask(dict[str, Any], "PUT", f"/v1/deployments/{dseq}", json={"data": {"sdl": sdl}})

    async def deposit(self, dseq: int, amount_uact: int) -> None:
        """Adds to the deposit."""
        data = {"dseq": str(dseq), "deposit": _usd(amount_uact)}
        await self._ask(dict[str, Any], "POST", "/v1/deposit-deployment", json={"data": data})

    async def close(self, dseq: int) -> None:
        """Closes a deployment; one that is closed stays so."""
        await self._ask(dict[str, Any], "DELETE", f"/v1/deployments/{dseq}")

    async def token(self, provider: str, scope: str) -> str:
        """A JWT with which a provider lets us do `scope` on the account's leases there for five minutes."""
        access = {"provider": provider, "access": "scoped", "scope": [scope]}
        data = {"ttl": TOKEN_S, "leases": {"access": "granular", "permissions": [access]}}
        return (await self._ask(TokenAnswer, "POST", "/v1/create-jwt-token", json={"data": data})).data.token

    async def providers(self, addresses: Sequence[str] = ()) -> list[Provider]:
        """Those at `addresses`, or all that the Console knows."""
        query = {"addresses": ",".join(addresses)} if addresses else {}
        return await self._ask(list[Provider], "GET", "/v1/providers", params=query)

    async def _ask(self, form: type[T], method: str, path: str, **more: Any) -> T:
        response = await self._answer(method, path, **more)
        if response.headers.get(GATEWAY_ERROR) is not None:
            raise Unavailable("security-gateway")
        if response.is_client_error and response.status_code not in _LATER:
            raise Refused(response.status_code, _reason(response))
        return _parsed(form, _body(response))

    async def _answer(self, method: str, path: str, **more: Any) -> httpx.Response:
        async with asking(NAME):
            response = await self.http.request(
                method, f"{self.url}{path}", auth=self.auth, timeout=TIMEOUT_S, **more
            )
        if len(response.content) > MAX_BYTES:
            raise Unavailable(NAME)
        return response


def _body(response: httpx.Response) -> Any:
    if not response.is_success:
        raise Unavailable(NAME)
    try:
        return response.json(parse_float=Decimal)
    except ValueError:
        raise Unavailable(NAME) from None


def _parsed(form: type[T], value: Any) -> T:
    try:
        return TypeAdapter(form).validate_python(value)
    except ValidationError:
        raise Unavailable(NAME) from None


def _reason(response: httpx.Response) -> str:
    try:
        return _Fault.model_validate_json(response.content).message[:300]
    except ValidationError:
        return f"status {response.status_code}, without a reason"


def _usd(uact: int) -> float:
    """Dollars, as the Console takes them: a number. 1 ACT is a dollar."""
    return uact / _UACT_PER_USD
