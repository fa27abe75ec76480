from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Header, HTTPException
from mesh_shared.auth.keys import RemoteKeys
from mesh_shared.auth.session import Sessions
from mesh_shared.auth.tokens import Principal, TokenVerifier, jwks
from mesh_shared.errors import Unauthenticated, Unavailable
from mesh_shared.testing import Issuer
from pydantic import BaseModel

GATEWAY = "http://gateway"


class Gateway:
    """The two endpoints of the security gateway that every service uses, on a real app."""

    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer
        self.sessions = 0
        self.app = FastAPI()
        self.app.post("/v1/sessions")(self.open_session)
        self.app.get("/.well-known/jwks.json")(self.keys)
        self.app.get("/guarded")(self.guarded)

    async def open_session(self, body: "SessionRequest", x_api_key: str = Header()) -> dict[str, object]:
        if x_api_key != "right":
            raise HTTPException(401)
        self.sessions += 1
        token = self.issuer.token("read", audience=body.audiences[0], subject="service")
        return {"token": token, "expires_at": 4_000_000_000, "scopes": []}

    async def keys(self) -> dict[str, object]:
        return jwks([self.issuer.key])

    async def guarded(self, authorization: str = Header()) -> str:
        await TokenVerifier(self.issuer.keys, frozenset({"there"})).verify(
            authorization.removeprefix("Bearer ")
        )
        return "come in"


class SessionRequest(BaseModel):
    audiences: list[str]


@pytest.fixture
def gateway(issuer: Issuer) -> Gateway:
    return Gateway(issuer)


@pytest.fixture
def http(gateway: Gateway) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(gateway.app))


@pytest.fixture
def sessions(http: httpx.AsyncClient, tmp_path: Path) -> Sessions:
    (tmp_path / "key").write_text("right\n")
    return Sessions(http, GATEWAY, tmp_path / "key")


async def test_a_session_is_opened_once_per_audience(sessions: Sessions, gateway: Gateway):
    tokens = [await sessions.token("here"), await sessions.token("here"), await sessions.token("there")]

    assert tokens[0] == tokens[1] != tokens[2]
    assert gateway.sessions == 2


async def test_without_a_key_yet_the_gateway_counts_as_unavailable(http: httpx.AsyncClient, tmp_path: Path):
    with pytest.raises(Unavailable):
        await Sessions(http, GATEWAY, tmp_path / "not-yet").token("here")


async def test_a_token_that_no_longer_holds_is_renewed_once(
    sessions: Sessions, gateway: Gateway, http: httpx.AsyncClient
):
    await sessions.token("there")
    gateway.app.get("/once")(_refuse_first())

    response = await http.get(f"{GATEWAY}/once", auth=sessions.auth("there"))

    assert response.json() == "second try"
    assert gateway.sessions == 2


def _refuse_first():
    calls = iter(("first", "second"))

    async def endpoint() -> str:
        if next(calls) == "first":
            raise HTTPException(401)
        return "second try"

    return endpoint


async def test_a_session_token_is_verified_with_the_published_keys(
    sessions: Sessions, http: httpx.AsyncClient
):
    verifier = TokenVerifier(RemoteKeys(http, f"{GATEWAY}/.well-known/jwks.json"), frozenset({"here"}))

    caller = await verifier.verify(await sessions.token("here"))

    assert caller == Principal("service", frozenset({"read"}))
    with pytest.raises(Unauthenticated):
        await verifier.verify(await sessions.token("there"))


async def test_known_keys_outlive_the_gateway(sessions: Sessions, http: httpx.AsyncClient):
    keys = RemoteKeys(http, f"{GATEWAY}/.well-known/jwks.json")
    verifier = TokenVerifier(keys, frozenset({"here"}))
    token = await sessions.token("here")
    await verifier.verify(token)

    keys.url = "http://gateway/gone"

    assert (await verifier.verify(token)).subject == "service"


async def test_without_any_key_verification_is_unavailable_not_refused(
    sessions: Sessions, http: httpx.AsyncClient
):
    verifier = TokenVerifier(RemoteKeys(http, f"{GATEWAY}/gone"), frozenset({"here"}))
    token = await sessions.token("here")

    with pytest.raises(Unavailable):
        await verifier.verify(token)
