"""Acting for somebody (RFC 8693): never with more, never for longer, and never unseen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from joserfc import jwt
from mesh_shared.auth import tokens

if TYPE_CHECKING:
    from conftest import Operator, Origin


def token_of(headers: dict[str, str]) -> str:
    return headers["Authorization"].removeprefix("Bearer ")


async def delegate(
    operator: Operator, actor: dict[str, str], subject_token: str, **asked: Any
) -> httpx.Response:
    body = {"subject_token": subject_token} | asked
    return await operator.http.post("/v1/delegations", json=body, headers=actor)


def claims(operator: Operator, token: str) -> dict[str, Any]:
    return jwt.decode(token, operator.app.state.service.keys.signing_key, algorithms=["EdDSA"]).claims


@pytest.fixture
async def user(operator: Operator) -> dict[str, str]:
    return await operator.agent("user", "gateway:proxy", "registry:write")


@pytest.fixture
async def actor(operator: Operator) -> dict[str, str]:
    return await operator.agent("agent-7", "gateway:proxy")


async def test_who_acts_for_somebody_is_named_in_the_token_and_in_the_audit(
    operator: Operator, user: dict[str, str], actor: dict[str, str], origin: Origin
):
    await operator.connect(origin.url)
    await operator.grant("user")

    answer = await delegate(operator, actor, token_of(user), scopes=["gateway:proxy"])
    acting = {"Authorization": f"Bearer {answer.json()['token']}"}
    called = await operator.http.get("/v1/proxy/github/user", headers=acting)
    entries = (await operator.get("/v1/audit", agent="user")).json()["items"]
    (delegated,) = [e for e in (await operator.get("/v1/audit", agent="agent-7")).json()["items"]]

    assert (answer.status_code, called.status_code) == (201, 200)
    assert (answer.json()["subject"], answer.json()["scopes"]) == ("user", ["gateway:proxy"])
    assert claims(operator, answer.json()["token"])["act"] == {"sub": "agent-7"}
    assert [entry["actors"] for entry in entries] == [["agent-7"]] * 2
    assert (delegated["action"], delegated["holder"], delegated["actors"]) == (
        "delegated",
        "user",
        ["agent-7"],
    )


async def test_a_chain_names_all_who_act_the_present_one_first(
    operator: Operator, user: dict[str, str], actor: dict[str, str]
):
    first = (await delegate(operator, actor, token_of(user))).json()["token"]
    other = await operator.agent("agent-8")

    second = (await delegate(operator, other, first)).json()["token"]

    assert claims(operator, second)["act"] == {"sub": "agent-8", "act": {"sub": "agent-7"}}
    assert claims(operator, second)["sub"] == "user"


async def test_nobody_gets_more_or_longer_than_the_subject_has(
    operator: Operator, user: dict[str, str], actor: dict[str, str]
):
    keys = operator.app.state.service.keys
    short, expires_at = tokens.issue(
        keys.signing_key, subject="user", scopes=["a:b"], audiences=["security-gateway"], ttl_s=60
    )

    wider = await delegate(operator, actor, token_of(user), scopes=["mesh:admin"])
    shorter = await delegate(operator, actor, short)

    assert (wider.status_code, wider.json()["missing"]) == (403, ["mesh:admin"])
    assert shorter.json()["expires_at"] <= expires_at
    assert shorter.json()["scopes"] == ["a:b"]


async def test_what_is_no_bearers_token_of_ours_is_handed_on_by_nobody(
    operator: Operator, actor: dict[str, str]
):
    key = operator.app.state.service.keys.signing_key
    stated: dict[str, Any] = {"subject": "user", "scopes": ["a:b"]}
    ours: dict[str, Any] = {"audiences": ["security-gateway"], "ttl_s": 60}
    foreign = {
        "bound to a key": tokens.issue(key, **stated, **ours, jkt="k" * 43)[0],
        "for another service": tokens.issue(key, **stated, audiences=["registry"], ttl_s=60)[0],
        "expired": tokens.issue(key, **stated, audiences=["security-gateway"], ttl_s=-60)[0],
        "made up": "a.b.c",
    }

    statuses = {name: (await delegate(operator, actor, text)).status_code for name, text in foreign.items()}

    assert statuses == dict.fromkeys(foreign, 401)


async def test_a_chain_has_an_end(operator: Operator, user: dict[str, str], actor: dict[str, str]):
    token = token_of(user)
    for _ in range(8):
        token = (await delegate(operator, actor, token)).json()["token"]

    refused = await delegate(operator, actor, token)

    assert (refused.status_code, refused.json()["code"]) == (409, "delegation-too-long")


async def test_without_a_session_nobody_acts_for_anybody(operator: Operator, user: dict[str, str]):
    assert (await delegate(operator, {}, token_of(user))).status_code == 401


async def test_the_service_says_how_to_be_let_in(operator: Operator):
    said = (await operator.http.get("/.well-known/oauth-protected-resource")).json()

    assert said == {
        "resource": "http://127.0.0.1:8374",
        "jwks_uri": "http://127.0.0.1:8374/.well-known/jwks.json",
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": ["ES256", "EdDSA"],
        "dpop_bound_access_tokens_required": False,
    }


async def test_a_token_that_is_handed_in_is_never_said_back(
    operator: Operator, user: dict[str, str], actor: dict[str, str]
):
    token = token_of(user)
    wrong: list[dict[str, Any]] = [
        {"subject_token": [token]},
        {"subject_token": f"{token}\n"},
        {"subject_token": token, "surprise": token},
        {"subject_token": token[:-4] + "AAAA"},
        {"subject_token": token, "scopes": [token]},
    ]

    answers = [await operator.http.post("/v1/delegations", json=body, headers=actor) for body in wrong]

    assert [answer.status_code for answer in answers] == [422, 422, 422, 401, 422]
    assert not [answer.text for answer in answers if token[20:60] in answer.text]


async def test_what_somebody_acted_out_lasts_no_longer_than_the_grant_of_the_subject(
    operator: Operator, user: dict[str, str], actor: dict[str, str], origin: Origin
):
    await operator.connect(origin.url)
    grant = await operator.grant("user")
    acting = {"Authorization": f"Bearer {(await delegate(operator, actor, token_of(user))).json()['token']}"}

    before = await operator.http.get("/v1/proxy/github/user", headers=acting)
    await operator.post(f"/v1/grants/{grant['id']}/revoke", {})
    after = await operator.http.get("/v1/proxy/github/user", headers=acting)
    own = await operator.http.get("/v1/proxy/github/user", headers=actor)

    assert (before.status_code, after.status_code, own.status_code) == (200, 403, 404)
    assert len(origin.seen) == 1


async def test_of_two_who_act_the_audit_says_which(
    operator: Operator, user: dict[str, str], actor: dict[str, str], origin: Origin
):
    await operator.connect(origin.url)
    await operator.grant("user", rate={"calls": 10, "per_s": 60})
    other = await operator.agent("agent-8")
    for who in (actor, other):
        token = (await delegate(operator, who, token_of(user))).json()["token"]
        await operator.http.get("/v1/proxy/github/user", headers={"Authorization": f"Bearer {token}"})

    entries = (await operator.get("/v1/audit", agent="user")).json()["items"]

    intents = [entry["actors"] for entry in entries if entry["phase"] == "intent"]
    assert intents == [["agent-8"], ["agent-7"]]
    assert (await operator.get("/v1/audit/verification")).json()["valid"]
