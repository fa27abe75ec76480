from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from mesh_cli import parts
from mesh_security_gateway.adapters.keyfiles import OwnKeys
from mesh_security_gateway.domain.scopes import SERVICES, service_scopes
from mesh_security_gateway.ports import KeyFileUnfit
from mesh_shared.auth.keys import RemoteKeys
from mesh_shared.auth.session import Sessions
from mesh_shared.auth.tokens import TokenVerifier
from mesh_shared.errors import Unauthenticated, Unavailable
from mesh_shared.testing import running
from sqlalchemy import text

if TYPE_CHECKING:
    from conftest import MakeApp, Operator


def mode(path: Path) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


async def test_first_start_makes_every_key_readable_by_its_owner_alone(operator: Operator, state_dir: Path):
    files = [state_dir / name for name in ("admin.key", "signing.key", "kek", "pepper", "audit.key")]
    files += [state_dir / "keys" / service / "service.key" for service in SERVICES]

    assert {mode(file) for file in files} == {0o600}
    assert len((state_dir / "kek").read_bytes()) == 32
    assert {path.name for path in state_dir.iterdir()} >= {file.name for file in files[:5]}
    assert not [path for path in state_dir.rglob("*.key.*")]


async def test_a_key_opens_a_session_that_every_service_accepts(operator_everywhere: Operator):
    http = operator_everywhere.http
    response = await http.post("/v1/sessions", headers={"X-API-Key": operator_everywhere.admin_key})

    session = response.json()
    keys = KeySet.import_key_set((await http.get("/.well-known/jwks.json")).json())
    claims = jwt.decode(session["token"], keys, algorithms=["EdDSA"]).claims
    assert response.status_code == 201
    assert (session["subject"], session["scopes"]) == ("admin", ["mesh:admin"])
    assert (claims["aud"], claims["sub"]) == (sorted(SERVICES), "admin")
    assert claims["exp"] - claims["iat"] == 900
    assert session["expires_at"] == claims["exp"]


async def test_the_published_key_is_public_only(operator: Operator):
    (key,) = (await operator.http.get("/.well-known/jwks.json")).json()["keys"]

    assert key.keys() == {"kty", "crv", "x", "kid", "use", "alg"}


async def test_the_gateway_is_what_the_other_services_expect(operator: Operator, state_dir: Path):
    """The client halves of `mesh_shared` against the real provider."""
    sessions = Sessions(operator.http, "", state_dir / "keys" / "coordinator" / "service.key")
    keys = RemoteKeys(operator.http, "/.well-known/jwks.json")

    caller = await TokenVerifier(keys, frozenset({"deployer"})).verify(await sessions.token("deployer"))

    assert caller.subject == "coordinator"
    assert caller.scopes == {
        "actions:invoke",
        "deployer:deploy",
        "events:read",
        "gateway:proxy",
        "registry:discover",
        "registry:write",
        "workspace:analyze",
    }


async def test_a_session_is_for_the_audiences_asked_for(operator: Operator):
    asked = {"audiences": ["http://127.0.0.1:9001"]}
    headers = await operator.session(operator.admin_key, **asked)

    elsewhere = await operator.http.get("/v1/api-keys", headers=headers)

    assert elsewhere.status_code == 401


async def test_scopes_are_narrowed_and_never_widened(operator: Operator, state_dir: Path):
    key = (state_dir / "keys" / "deployer" / "service.key").read_text().strip()
    narrowed = {"scopes": ["events:read"]}
    response = await operator.http.post("/v1/sessions", headers={"X-API-Key": key}, json=narrowed)
    widened = {"scopes": ["events:read", "mesh:admin", "gateway:audit"]}
    refused = await operator.http.post("/v1/sessions", headers={"X-API-Key": key}, json=widened)

    assert (response.status_code, response.json()["scopes"]) == (201, ["events:read"])
    assert (refused.status_code, refused.json()["missing"]) == (403, ["gateway:audit", "mesh:admin"])
    assert refused.headers["x-mesh-gateway-error"] == "scopes_exceeded"


async def test_unknown_revoked_expired_and_missing_keys_get_the_same_answer(operator_everywhere: Operator):
    operator = operator_everywhere
    body = {"subject": "agent-7", "scopes": ["gateway:proxy"]}
    revoked = (await operator.post("/v1/api-keys", body)).json()
    expired = (await operator.post("/v1/api-keys", body | {"expires_in_s": 1})).json()
    await operator.post(f"/v1/api-keys/{revoked['id']}/revoke", {})
    async with asyncio.timeout(60):
        while (await operator.http.post("/v1/sessions", headers={"X-API-Key": expired["key"]})).is_success:
            await asyncio.sleep(0.05)

    answers = [
        await operator.http.post("/v1/sessions", headers=headers)
        for headers in (
            {},
            {"X-API-Key": ""},
            {"X-API-Key": "mesh_unknown"},
            {"X-API-Key": "x" * 5000},
            {"X-API-Key": revoked["key"]},
            {"X-API-Key": expired["key"]},
        )
    ]

    said = {
        (a.status_code, a.json()["code"], a.json()["detail"], a.headers["www-authenticate"]) for a in answers
    }
    hint = 'resource_metadata="http://127.0.0.1:8374/.well-known/oauth-protected-resource"'
    challenge = f'Bearer realm="mesh", {hint}'
    assert said == {(401, "key-refused", "The API key does not open a session.", challenge)}


async def test_a_new_key_is_shown_once_and_its_scopes_are_among_its_makers(operator_everywhere: Operator):
    operator = operator_everywhere
    keeper = await operator.agent("keeper", "gateway:keys", "gateway:proxy")
    within = {"subject": "keeper/agent-7", "scopes": ["gateway:proxy"], "expires_in_s": 60}
    beyond = {"subject": "keeper/agent-7", "scopes": ["gateway:proxy", "gateway:audit", "mesh:admin"]}

    made = await operator.http.post("/v1/api-keys", json=within, headers=keeper)
    refused = await operator.http.post("/v1/api-keys", json=beyond, headers=keeper)
    listed = await operator.http.get("/v1/api-keys", headers=keeper)

    assert made.status_code == 201
    assert made.json()["created_by"] == "keeper"
    assert (refused.status_code, refused.json()["missing"]) == (403, ["gateway:audit", "mesh:admin"])
    assert made.json()["key"] not in listed.text
    assert [key["subject"] for key in listed.json()["items"]] == ["keeper", "keeper/agent-7"]


async def test_keys_are_listed_to_those_whose_they_are(operator_everywhere: Operator):
    """An underscore is a wildcard to the database, and a character of a name to us."""
    operator = operator_everywhere
    keeper = await operator.agent("a_c", "gateway:keys", "gateway:proxy")
    for subject in ("a_c/one", "abc/two", "a_cd/three", "abc"):
        await operator.agent(subject)
    body = {"subject": "a_c/four", "scopes": ["gateway:proxy"]}
    await operator.http.post("/v1/api-keys", json=body, headers=keeper)

    own = (await operator.http.get("/v1/api-keys", headers=keeper)).json()["items"]
    page = await operator.http.get("/v1/api-keys", params={"limit": 2}, headers=keeper)
    rest = await operator.http.get(
        "/v1/api-keys", params={"limit": 2, "cursor": page.json()["next_cursor"]}, headers=keeper
    )

    assert [key["subject"] for key in own] == ["a_c", "a_c/one", "a_c/four"]
    assert [key["subject"] for key in rest.json()["items"]] == ["a_c/four"]


async def test_keys_are_listed_page_by_page(operator: Operator):
    first = (await operator.get("/v1/api-keys", limit=4)).json()
    second = (await operator.get("/v1/api-keys", limit=4, cursor=first["next_cursor"])).json()

    assert [key["subject"] for key in first["items"] + second["items"]] == [*SERVICES, "admin"]
    assert second["next_cursor"] is None


async def test_a_key_for_somebody_else_would_be_a_key_to_their_grants(operator_everywhere: Operator):
    operator = operator_everywhere
    keeper = await operator.agent("keeper", "gateway:keys", "gateway:connect")

    for subject in ("admin", "coordinator", "keepers", "keeper-2", "agent-7", "Keeper/x"):
        body = {"subject": subject, "scopes": ["gateway:connect"]}
        refused = await operator.http.post("/v1/api-keys", json=body, headers=keeper)

        assert (refused.status_code, refused.json()["code"]) == (403, "subject-foreign"), subject


async def test_nobody_revokes_a_key_that_can_do_more_than_they_or_is_not_theirs(
    operator_everywhere: Operator,
):
    operator = operator_everywhere
    keeper = await operator.agent("keeper", "gateway:keys")
    await operator.agent("keeper/strong", "gateway:audit")
    keys = {key["subject"]: key["id"] for key in (await operator.get("/v1/api-keys")).json()["items"]}
    own = keys["keeper"]

    refused = await operator.http.post(f"/v1/api-keys/{keys['keeper/strong']}/revoke", headers=keeper)
    foreign = await operator.http.post(f"/v1/api-keys/{keys['registry']}/revoke", headers=keeper)
    done = await operator.http.post(f"/v1/api-keys/{own}/revoke", headers=keeper)
    again = await operator.http.post(f"/v1/api-keys/{own}/revoke", headers=keeper)
    unknown = await operator.post("/v1/api-keys/00000000-0000-4000-8000-000000000000/revoke", {})

    assert (refused.status_code, refused.json()["code"]) == (403, "scopes-exceeded")
    assert (foreign.status_code, foreign.json()["code"]) == (404, "key-not-found")
    assert done.json()["revoked_at"] == again.json()["revoked_at"] is not None
    assert (unknown.status_code, unknown.json()["code"]) == (404, "key-not-found")


async def test_keys_and_signatures_outlive_a_restart(
    make_app: MakeApp, operate: Callable[[Any], Any], database_url: str, state_dir: Path
):
    async with operate(make_app(database_url)) as first:
        headers = await first.session(first.admin_key)
        kept = {
            path: path.read_bytes()
            for path in state_dir.rglob("*")
            if path.is_file() and "db" not in path.name
        }
    async with operate(make_app(database_url)) as second:
        known = await second.http.get("/v1/api-keys", headers=headers)

    assert known.status_code == 200
    assert len(known.json()["items"]) == 6
    assert {path: path.read_bytes() for path in kept} == kept


async def test_a_key_file_that_was_there_first_is_kept(
    make_app: MakeApp, operate: Callable[[Any], Any], state_dir: Path
):
    state_dir.mkdir()
    (state_dir / "admin.key").write_text("the-operators-own-admin-key\n")

    async with operate(make_app()) as operator:
        headers = await operator.session("the-operators-own-admin-key")

    assert headers["Authorization"]
    assert operator.admin_key == "the-operators-own-admin-key"


@pytest.mark.parametrize("content", ["", "\n", "short", "two words that are long enough"])
async def test_nobody_starts_with_a_key_that_anybody_could_guess(
    make_app: MakeApp, operate: Callable[[Any], Any], state_dir: Path, content: str
):
    """An empty admin key would be one that every caller has who sends none."""
    state_dir.mkdir()
    (state_dir / "admin.key").write_text(content)

    with pytest.raises(KeyFileUnfit, match="at least 20 visible characters"):
        async with operate(make_app()):
            pytest.fail("it started")


async def test_nobody_starts_with_the_key_of_another(
    make_app: MakeApp, operate: Callable[[Any], Any], state_dir: Path
):
    async with operate(make_app()):
        deployer, registry = (state_dir / "keys" / name / "service.key" for name in ("deployer", "registry"))
    registry.write_text(deployer.read_text())

    with pytest.raises(KeyFileUnfit, match="registry holds the key of deployer"):
        async with operate(make_app()):
            pytest.fail("it started")


async def test_a_service_key_gets_the_scopes_that_its_service_needs_by_now(
    make_app: MakeApp, operate: Callable[[Any], Any], database_url: str, state_dir: Path
):
    async with operate(make_app(database_url)) as before:
        database = before.app.state.platform.database
        async with database.write() as session:
            await session.execute(text("UPDATE api_keys SET scopes = '[\"events:read\"]'"))

    async with operate(make_app(database_url)) as after:
        key = (state_dir / "keys" / "deployer" / "service.key").read_text().strip()
        opened = await after.http.post("/v1/sessions", headers={"X-API-Key": key})
        entries = (await after.get("/v1/audit")).json()["items"]

    assert opened.json()["scopes"] == list(service_scopes("deployer"))
    rescoped = [entry["holder"] for entry in entries if entry["action"] == "api-key-rescoped"]
    assert sorted(rescoped) == sorted([*SERVICES, "admin"])


async def test_a_service_key_that_is_lost_is_replaced_and_ends(
    make_app: MakeApp, operate: Callable[[Any], Any], state_dir: Path
):
    file = state_dir / "keys" / "deployer" / "service.key"
    async with operate(make_app()):
        lost = file.read_text().strip()
    file.unlink()
    async with operate(make_app()) as operator:
        old = await operator.http.post("/v1/sessions", headers={"X-API-Key": lost})
        new = await operator.session(file.read_text().strip())

    assert old.status_code == 401
    assert new["Authorization"]


async def test_an_admin_key_that_is_kept_elsewhere_is_not_made_again(
    make_app: MakeApp, operate: Callable[[Any], Any], state_dir: Path
):
    async with operate(make_app()) as operator:
        key = operator.admin_key
    (state_dir / "admin.key").rename(state_dir / "elsewhere")

    app = make_app()
    async with running(app):
        assert not (state_dir / "admin.key").exists()
    (state_dir / "elsewhere").rename(state_dir / "admin.key")

    async with operate(make_app()) as operator:
        assert operator.admin_key == key


async def test_when_every_admin_key_is_revoked_the_machines_owner_gets_a_new_one(
    make_app: MakeApp, operate: Callable[[Any], Any], state_dir: Path
):
    async with operate(make_app()) as operator:
        keys = (await operator.get("/v1/api-keys")).json()["items"]
        admin = next(key["id"] for key in keys if key["subject"] == "admin")
        await operator.post(f"/v1/api-keys/{admin}/revoke", {})
        revoked = operator.admin_key
    async with operate(make_app()) as operator:
        still = await operator.http.post("/v1/sessions", headers={"X-API-Key": revoked})
    (state_dir / "admin.key").unlink()
    async with operate(make_app()) as operator:
        again = await operator.session(operator.admin_key)

    assert still.status_code == 401
    assert again["Authorization"]


async def test_sessions_open_while_redis_is_down(
    make_app: MakeApp, operate: Callable[[Any], Any], tmp_path: Path
):
    port = parts.free_port()
    redis = parts.redis(port, tmp_path)
    async with operate(make_app(redis_url=f"redis://127.0.0.1:{port}/0")) as operator:
        redis.stop()
        async with asyncio.timeout(60):
            while (await operator.http.get("/readyz")).json().get("down") != ["redis"]:
                await asyncio.sleep(0.05)
        session = await operator.session(operator.admin_key)
        refused = await operator.http.post(
            "/v1/api-keys", json={"subject": "a", "scopes": ["a:b"]}, headers=session
        )

    assert refused.status_code == 503
    assert refused.json()["down"] == ["redis"]
    assert refused.headers["x-mesh-gateway-error"] == "unavailable"


async def test_a_token_of_another_signing_key_is_refused(
    operator: Operator, make_app: MakeApp, operate: Callable[[Any], Any], state_dir: Path
):
    headers = await operator.session(operator.admin_key)
    (state_dir / "signing.key").unlink()

    async with operate(make_app()) as other:
        response = await other.http.get("/v1/api-keys", headers=headers)

    assert response.status_code == 401


UNFIT: list[dict[str, Any]] = [
    {"audiences": []},
    {"audiences": ["a"] * 21},
    {"audiences": ["has a blank"]},
    {"scopes": []},
    {"scopes": ["no-colon"]},
    {"scopes": ["a:b"] * 33},
    {"subject": "somebody-else"},
]


async def test_a_session_request_outside_the_schema_is_refused(operator: Operator):
    key = {"X-API-Key": operator.admin_key}
    for body in UNFIT:
        assert (await operator.http.post("/v1/sessions", headers=key, json=body)).status_code == 422, body


async def test_the_largest_session_still_fits_what_verifiers_read(operator: Operator):
    subject = "s" * 128
    scopes = [f"{'a' * 31}:{n:02}{'b' * 29}" for n in range(32)]
    made = await operator.post("/v1/api-keys", {"subject": subject, "scopes": scopes})
    audiences = ["security-gateway", *(f"{n:02}{'x' * 126}" for n in range(19))]

    headers = await operator.session(made.json()["key"], audiences=audiences)
    answer = await operator.http.get("/v1/api-keys", headers=headers)

    assert answer.status_code == 403


async def test_before_the_signing_key_is_loaded_nothing_is_verified(tmp_path: Path):
    keys = OwnKeys()
    with pytest.raises(Unavailable):
        await keys.key("any")

    own = keys.load(tmp_path / "signing.key")

    assert (await keys.key(own.thumbprint())).thumbprint() == own.thumbprint()
    with pytest.raises(Unauthenticated):
        await keys.key("another")
