"""A stolen token is worth nothing: sessions that are bound to a key need its proof at each use (RFC 9449)."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from mesh_cli import parts

if TYPE_CHECKING:
    from conftest import MakeApp, Operator, Origin

OURS = "http://127.0.0.1:8374"


class Holder:
    """An agent's client that proves its key as RFC 9449 says."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.key = ECKey.generate_key("P-256")
        self.http = http
        self.token, self.nonce = "", ""

    def proof(self, method: str, path: str, **claims: Any) -> str:
        stated = {"jti": str(uuid4()), "htm": method, "htu": f"{OURS}{path}", "iat": int(time.time())}
        if self.token:
            digest = hashlib.sha256(self.token.encode()).digest()
            stated["ath"] = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": self.key.as_dict(private=False)}
        return jwt.encode(header, stated | claims, self.key)

    async def open(self, api_key: str) -> httpx.Response:
        """A session, with the nonce that the first answer has."""
        answer = await self._ask(api_key)
        if self.nonce and answer.status_code == 401:
            answer = await self._ask(api_key)
        if answer.status_code == 201:
            self.token = answer.json()["token"]
        return answer

    async def _ask(self, api_key: str) -> httpx.Response:
        claims = {"nonce": self.nonce} if self.nonce else {}
        headers = {"X-API-Key": api_key, "DPoP": self.proof("POST", "/v1/sessions", **claims)}
        answer = await self.http.post("/v1/sessions", headers=headers)
        self.nonce = answer.headers.get("dpop-nonce", self.nonce)
        return answer

    def headers(self, method: str, path: str, **claims: Any) -> dict[str, str]:
        return {"Authorization": f"DPoP {self.token}", "DPoP": self.proof(method, path, **claims)}


@pytest.fixture
async def api_key(operator: Operator, origin: Origin) -> str:
    await operator.connect(origin.url)
    await operator.grant("agent-7")
    body = {"subject": "agent-7", "scopes": ["gateway:proxy"]}
    return (await operator.post("/v1/api-keys", body)).json()["key"]


@pytest.fixture
async def holder(operator: Operator, api_key: str) -> Holder:
    """An agent with a session that is bound to its key."""
    holder = Holder(operator.http)
    assert (await holder.open(api_key)).status_code == 201
    return holder


USER = "/v1/proxy/github/user"


async def test_a_session_is_bound_to_the_key_that_was_proved(operator: Operator, api_key: str):
    holder = Holder(operator.http)
    first = await operator.http.post(
        "/v1/sessions", headers={"X-API-Key": api_key, "DPoP": holder.proof("POST", "/v1/sessions")}
    )
    opened = await holder.open(api_key)

    assert (first.status_code, first.json()["code"]) == (401, "nonce-needed")
    assert first.headers["dpop-nonce"]
    assert (opened.status_code, opened.json()["token_type"]) == (201, "DPoP")
    claims = jwt.decode(
        opened.json()["token"], operator.app.state.service.keys.signing_key, algorithms=["EdDSA"]
    )
    assert claims.claims["cnf"] == {"jkt": holder.key.thumbprint()}
    assert claims.claims["exp"] - claims.claims["iat"] == 900


async def test_who_holds_the_key_calls(holder: Holder, origin: Origin):
    answers = [await holder.http.get(USER, headers=holder.headers("GET", USER)) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200] * 3
    assert not [seen for seen in origin.seen if seen.values("dpop")]
    assert holder.token.encode() not in origin.record


async def test_a_stolen_token_is_worth_nothing(operator: Operator, holder: Holder, origin: Origin):
    thief = Holder(operator.http)
    thief.token = holder.token

    answers = {
        "as a bearer's": {"Authorization": f"Bearer {holder.token}"},
        "without a proof": {"Authorization": f"DPoP {holder.token}"},
        "with a proof by another key": thief.headers("GET", USER),
        "with an unreadable proof": {"Authorization": f"DPoP {holder.token}", "DPoP": "x.y.z"},
        "with a proof for another address": holder.headers("GET", "/v1/proxy/github/orgs"),
        "with a proof for another method": holder.headers("POST", USER),
        "with a proof for another token": holder.headers("GET", USER, ath="x" * 43),
        "with an old proof": holder.headers("GET", USER, iat=int(time.time()) - 120),
        "with a nonce of nobody": holder.headers("GET", USER, nonce="made-up"),
    }
    statuses = {
        name: (await operator.http.get(USER, headers=headers)).status_code
        for name, headers in answers.items()
    }

    assert statuses == dict.fromkeys(answers, 401)
    assert origin.seen == []


async def test_a_proof_that_was_seen_is_used_up(operator: Operator, holder: Holder, origin: Origin):
    headers = holder.headers("GET", USER)

    first = await operator.http.get(USER, headers=headers)
    replayed = await operator.http.get(USER, headers=headers)

    assert (first.status_code, replayed.status_code) == (200, 401)
    assert 'error="invalid_dpop_proof"' in replayed.headers["www-authenticate"]
    assert replayed.headers["x-mesh-gateway-error"] == "proof_refused"
    assert len(origin.seen) == 1


async def test_a_bearers_token_is_no_bound_token(operator: Operator, api_key: str):
    bearer = await operator.session(api_key)
    holder = Holder(operator.http)
    holder.token = bearer["Authorization"].removeprefix("Bearer ")

    as_bearer = await operator.http.get(USER, headers=bearer)
    as_bound = await operator.http.get(USER, headers=holder.headers("GET", USER))

    assert (as_bearer.status_code, as_bound.status_code) == (200, 401)


async def test_an_api_key_that_names_a_key_opens_nothing_without_its_proof(operator: Operator):
    owner, thief = Holder(operator.http), Holder(operator.http)
    body = {"subject": "agent-8", "scopes": ["gateway:proxy"], "jkt": owner.key.thumbprint()}
    made = (await operator.post("/v1/api-keys", body)).json()

    bare = await operator.http.post("/v1/sessions", headers={"X-API-Key": made["key"]})
    stolen = await thief.open(made["key"])
    owned = await owner.open(made["key"])

    assert made["jkt"] == owner.key.thumbprint()
    assert [bare.status_code, stolen.status_code, owned.status_code] == [401, 401, 201]
    assert bare.json()["code"] == stolen.json()["code"] == "key-unproved"
    assert bare.headers["www-authenticate"].startswith("DPoP")


async def test_an_unknown_api_key_gets_the_same_answer_with_a_proof(operator: Operator):
    answer = await Holder(operator.http).open("mesh_unknown")

    assert (answer.status_code, answer.json()["code"]) == (401, "key-refused")


async def test_while_redis_is_down_nothing_is_proved_and_bearers_go_on(
    make_app: MakeApp, operate: Callable[..., Any], origin: Origin, tmp_path: Path
):
    port = parts.free_port()
    redis = parts.redis(port, tmp_path)
    async with operate(make_app(redis_url=f"redis://127.0.0.1:{port}/0")) as operator:
        await operator.connect(origin.url)
        await operator.grant("agent-7")
        body = {"subject": "agent-7", "scopes": ["gateway:proxy"]}
        api_key = (await operator.post("/v1/api-keys", body)).json()["key"]
        holder, bearer = Holder(operator.http), await operator.session(api_key)
        await holder.open(api_key)
        redis.stop()

        bound = await operator.http.get(USER, headers=holder.headers("GET", USER))
        unbound = await operator.http.get(USER, headers=bearer)

    assert (bound.status_code, unbound.status_code) == (503, 200)
    assert len(origin.seen) == 1


async def test_a_proof_at_another_service_of_the_mesh_counts_there_alone(operator: Operator, holder: Holder):
    elsewhere = holder.headers("GET", USER, htu="http://127.0.0.1:8371/v1/proxy/github/user")

    assert (await operator.http.get(USER, headers=elsewhere)).status_code == 401
