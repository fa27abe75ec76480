from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conftest import Operator, Origin

PROVIDER = {
    "name": "github",
    "origin": "https://api.github.com",
    "base_path": "/v3",
    "injector": {"kind": "header", "name": "X-Token"},
    "allow_private": False,
}
CONNECTION = {"name": "github", "provider": "github", "secret": "sk-0123456789"}


async def test_a_provider_is_registered_once_and_for_good(operator_everywhere: Operator):
    operator = operator_everywhere
    made = await operator.post("/v1/providers", PROVIDER)
    again = await operator.post("/v1/providers", PROVIDER)
    moved = await operator.post("/v1/providers", PROVIDER | {"origin": "https://evil.example"})
    read = await operator.get("/v1/providers/github")

    assert (made.status_code, again.status_code) == (201, 201)
    assert (moved.status_code, moved.json()["code"]) == (409, "provider-exists")
    assert made.json() == again.json() == read.json() == PROVIDER
    assert read.headers["etag"] == '"github"'


async def test_a_provider_keeps_its_injector(operator: Operator):
    named = [{"kind": kind, "name": "X-Token"} for kind in ("header", "query")]
    for n, injector in enumerate([{"kind": "bearer"}, {"kind": "basic"}, *named]):
        await operator.post("/v1/providers", PROVIDER | {"name": f"p{n}", "injector": injector})

        assert (await operator.get(f"/v1/providers/p{n}")).json()["injector"] == injector


UNFIT_PROVIDERS: list[dict[str, Any]] = [
    {"origin": "https://evil.example/path"},
    {"origin": "https://user@evil.example"},
    {"origin": "https://evil.example?x"},
    {"origin": "https://evil.example#x"},
    {"origin": "https://EVIL.example"},
    {"origin": "https://evil.example:0"},
    {"origin": "https://evil.example:65536"},
    {"origin": "https://evil.example\\@good.example"},
    {"origin": "https://evil example"},
    {"origin": "ftp://evil.example"},
    {"origin": "https://"},
    {"origin": "https://1\uff127.0.0.1"},
    {"origin": "https://[::1%25eth0]"},
    {"origin": "https://evil.example\n"},
    {"base_path": "/a/../b"},
    {"base_path": "/.."},
    {"base_path": "/a/"},
    {"base_path": "a"},
    {"base_path": "/%2e%2e"},
    {"injector": {"kind": "header"}},
    {"injector": {"kind": "bearer", "name": "X"}},
    {"injector": {"kind": "header", "name": "X: Y\r\nZ"}},
    {"injector": {"kind": "query", "name": "a&b"}},
    {"injector": {"kind": "cookie"}},
    {"injector": {"kind": "cookie", "name": "a;b"}},
    {"injector": {"kind": ["bearer"]}},
    {"injector": {"kind": "client-credentials", "token_url": "https://login.example/token?to=elsewhere"}},
    {"name": "Up"},
    {"name": "a/b"},
    {"surprise": True},
]


async def test_a_provider_outside_the_schema_is_refused(operator: Operator):
    for fault in UNFIT_PROVIDERS:
        assert (await operator.post("/v1/providers", PROVIDER | fault)).status_code == 422, fault


async def test_a_provider_that_contradicts_itself_is_a_conflict(operator: Operator):
    framing = {"injector": {"kind": "header", "name": "Host"}}
    for fault in ({"origin": "http://api.github.com"}, framing):
        response = await operator.post("/v1/providers", PROVIDER | fault)

        assert (response.status_code, response.json()["code"]) == (409, "provider-unfit")


async def test_what_is_unknown_is_not_found(operator_everywhere: Operator):
    operator = operator_everywhere

    answers = [
        await operator.get("/v1/providers/none"),
        await operator.get("/v1/connections/none"),
        await operator.post("/v1/connections", CONNECTION),
        await operator.post("/v1/connections/none/rotate", {"secret": "sk-0123456789"}),
    ]

    assert [a.status_code for a in answers] == [404] * 4
    codes = ["provider-not-found", "connection-not-found", "provider-not-found", "connection-not-found"]
    assert [a.json()["code"] for a in answers] == codes


async def test_a_secret_goes_in_and_never_comes_out(operator_everywhere: Operator, canary: str):
    operator = operator_everywhere
    await operator.post("/v1/providers", PROVIDER)

    made = await operator.post("/v1/connections", CONNECTION | {"secret": canary})
    read = await operator.get("/v1/connections/github")
    listed = await operator.get("/v1/connections")

    assert made.status_code == 201
    assert made.json() == read.json() == listed.json()["items"][0]
    assert made.json().keys() == {
        "name",
        "provider",
        "owner",
        "version",
        "revision",
        "fingerprint",
        "created_at",
        "rotated_at",
    }
    assert canary not in made.text + read.text + listed.text


async def test_saying_a_connection_again_is_harmless_and_another_secret_is_a_conflict(
    operator_everywhere: Operator,
):
    operator = operator_everywhere
    await operator.post("/v1/providers", PROVIDER)
    made = await operator.post("/v1/connections", CONNECTION)

    again = await operator.post("/v1/connections", CONNECTION)
    other = await operator.post("/v1/connections", CONNECTION | {"secret": "sk-another-one"})

    assert (again.status_code, again.json()) == (201, made.json())
    assert (other.status_code, other.json()["code"]) == (409, "connection-exists")


async def test_a_secret_outside_the_schema_is_refused_and_never_repeated(operator: Operator):
    await operator.post("/v1/providers", PROVIDER)
    for secret in ("zz0", "z" * 4097, "zz1 blank", "zz2\r\nline", "zz3\0zeros", "zz4schlüssel"):
        response = await operator.post("/v1/connections", CONNECTION | {"secret": secret})

        assert response.status_code in (400, 409, 422), secret
        assert secret[:3] not in response.text


async def test_a_secret_that_does_not_fit_its_provider_is_a_conflict(operator: Operator, canary: str):
    await operator.post("/v1/providers", PROVIDER | {"injector": {"kind": "basic"}})
    response = await operator.post("/v1/connections", CONNECTION | {"secret": canary.replace(":", "")})

    assert (response.status_code, response.json()["code"]) == (409, "secret-unfit")
    assert canary not in response.text


async def test_a_missing_field_does_not_make_the_gateway_repeat_the_secret(operator: Operator, canary: str):
    response = await operator.post("/v1/connections", {"name": "github", "secret": canary})

    assert response.status_code == 422
    assert "sk/" not in response.text


async def test_rotation_puts_a_new_version_in_place(operator_everywhere: Operator):
    operator = operator_everywhere
    await operator.post("/v1/providers", PROVIDER)
    before = (await operator.post("/v1/connections", CONNECTION)).json()

    after = (await operator.post("/v1/connections/github/rotate", {"secret": "sk-another-one"})).json()
    same = (await operator.post("/v1/connections/github/rotate", {"secret": "sk-another-one"})).json()

    assert (before["version"], after["version"]) == (1, 2)
    assert before["fingerprint"] != after["fingerprint"]
    assert same == after


async def test_rotations_at_the_same_time_each_get_a_version(operator_everywhere: Operator):
    operator = operator_everywhere
    await operator.post("/v1/providers", PROVIDER)
    await operator.post("/v1/connections", CONNECTION)

    rotations = (
        operator.post("/v1/connections/github/rotate", {"secret": f"sk-at-once-{n}"}) for n in range(8)
    )
    answers = await asyncio.gather(*rotations)

    assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]
    assert sorted(answer.json()["version"] for answer in answers) == list(range(2, 10))
    assert (await operator.get("/v1/audit/verification")).json()["valid"]


async def test_the_same_said_at_the_same_time_makes_one(operator_everywhere: Operator):
    operator = operator_everywhere

    providers = await asyncio.gather(*(operator.post("/v1/providers", PROVIDER) for _ in range(8)))
    connections = await asyncio.gather(*(operator.post("/v1/connections", CONNECTION) for _ in range(8)))

    assert {answer.status_code for answer in (*providers, *connections)} == {201}
    assert len({answer.json()["created_at"] for answer in connections}) == 1


async def test_a_connection_is_deleted_by_who_knows_its_revision(operator_everywhere: Operator):
    operator = operator_everywhere
    await operator.post("/v1/providers", PROVIDER)
    await operator.post("/v1/connections", CONNECTION)
    stale = (await operator.get("/v1/connections/github")).json()["revision"]
    rotated = await operator.post("/v1/connections/github/rotate", {"secret": "sk-another-one"})
    current = rotated.json()["revision"]

    unnamed = await operator.delete("/v1/connections/github")
    late = await operator.delete("/v1/connections/github", revision=stale)
    done = await operator.delete("/v1/connections/github", revision=current)
    again = await operator.delete("/v1/connections/github", revision=current)

    assert [unnamed.status_code, late.status_code, done.status_code, again.status_code] == [
        422,
        409,
        204,
        404,
    ]
    assert late.json()["code"] == "connection-changed"
    assert (await operator.get("/v1/connections/github")).status_code == 404


async def test_a_later_connection_of_the_same_name_inherits_nothing(
    operator_everywhere: Operator, origin: Origin
):
    operator = operator_everywhere
    await operator.connect(origin.url)
    agent = await operator.agent("agent-7")
    await operator.grant("agent-7")
    revision = (await operator.get("/v1/connections/github")).json()["revision"]
    await operator.delete("/v1/connections/github", revision=revision)

    await operator.connect(origin.url)
    response = await operator.http.get("/v1/proxy/github/user", headers=agent)
    again = await operator.delete("/v1/connections/github", revision=revision)

    assert (response.status_code, again.status_code) == (404, 409)
    assert origin.seen == []


async def test_what_the_caller_has_already_is_not_sent_again(operator: Operator):
    await operator.post("/v1/providers", PROVIDER)
    await operator.post("/v1/connections", CONNECTION)
    admin = await operator.admin()
    etag = (await operator.get("/v1/connections/github")).headers["etag"]

    response = await operator.http.get("/v1/connections/github", headers=admin | {"If-None-Match": etag})

    assert (response.status_code, response.content) == (304, b"")


async def test_lists_are_walked_by_name(operator_everywhere: Operator):
    operator = operator_everywhere
    for name in ("c", "a", "b"):
        await operator.post("/v1/providers", PROVIDER | {"name": name})
        await operator.post("/v1/connections", CONNECTION | {"name": name, "provider": name})

    for path in ("/v1/providers", "/v1/connections"):
        first = (await operator.get(path, limit=2)).json()
        second = (await operator.get(path, limit=2, cursor=first["next_cursor"])).json()
        assert [item["name"] for item in first["items"] + second["items"]] == ["a", "b", "c"]


async def test_somebody_elses_connection_is_nobodys_business(operator_everywhere: Operator):
    operator = operator_everywhere
    await operator.post("/v1/providers", PROVIDER)
    await operator.post("/v1/connections", CONNECTION)
    other = await operator.agent("other", "gateway:connect", "gateway:grant")
    http = operator.http
    grant = {"subject": "other", "connection": "github", "methods": ["GET"], "paths": ["/**"]}

    answers = [
        await http.get("/v1/connections/github", headers=other),
        await http.post("/v1/connections/github/rotate", json={"secret": "sk-0123456789"}, headers=other),
        await http.delete("/v1/connections/github?revision=c0ffee012345-1", headers=other),
        await http.post("/v1/grants", json=grant, headers=other),
        await http.get("/v1/connections/unknown", headers=other),
    ]

    said = {(a.status_code, a.json()["code"], a.json()["detail"]) for a in answers}
    assert said == {(404, "connection-not-found", "There is no such connection.")}
    assert (await http.get("/v1/connections", headers=other)).json()["items"] == []


async def test_each_route_needs_its_own_scope(operator: Operator):
    nobody = await operator.agent("nobody", "events:read")
    needs = {
        ("POST", "/v1/api-keys"): "gateway:keys",
        ("GET", "/v1/api-keys"): "gateway:keys",
        ("POST", "/v1/providers"): "gateway:admin",
        ("GET", "/v1/providers"): "gateway:admin",
        ("POST", "/v1/connections"): "gateway:connect",
        ("DELETE", "/v1/connections/github"): "gateway:connect",
        ("POST", "/v1/grants"): "gateway:grant",
        ("GET", "/v1/audit"): "gateway:audit",
        ("GET", "/v1/audit/verification"): "gateway:audit",
        ("GET", "/v1/proxy/github/user"): "gateway:proxy",
        ("POST", "/v1/secure-operations"): "gateway:proxy",
        ("POST", "/v1/security-profiles/zero-trust/compile"): "gateway:compile",
    }

    for (method, path), scope in needs.items():
        without = await operator.http.request(method, path)
        lacking = await operator.http.request(method, path, headers=nobody)
        assert (without.status_code, lacking.status_code) == (401, 403), path
        assert lacking.json()["missing"] == [scope]
        assert without.headers["x-mesh-gateway-error"] == "unauthenticated"
        assert lacking.headers["x-mesh-gateway-error"] == "forbidden"


async def test_every_change_is_on_record_and_a_fact(operator_everywhere: Operator):
    operator = operator_everywhere
    await operator.connect("https://api.github.com", "sk-0123456789", allow_private=False)
    grant = await operator.grant("agent-7")
    await operator.post(f"/v1/grants/{grant['id']}/revoke", {})
    await operator.post("/v1/connections/github/rotate", {"secret": "sk-another-one"})
    revision = (await operator.get("/v1/connections/github")).json()["revision"]
    await operator.delete("/v1/connections/github", revision=revision)

    entries = (await operator.get("/v1/audit", agent="admin")).json()["items"]
    async with asyncio.timeout(60):
        facts: list[dict[str, Any]] = []
        while len(facts) < 12:
            facts = (await operator.get("/v1/events")).json()["items"]

    done = [
        "provider-registered",
        "connection-created",
        "grant-given",
        "grant-revoked",
        "connection-rotated",
        "connection-deleted",
    ]
    assert [entry["action"] for entry in reversed(entries)] == done
    assert {entry["phase"] for entry in entries} == {"change"}
    assert [fact["type"] for fact in facts[6:]] == [f"security-gateway.{name}.v1" for name in done]
    assert {fact["type"] for fact in facts[:6]} == {"security-gateway.api-key-created.v1"}
    assert facts[8]["data"]["id"] == entries[3]["target"] == grant["id"]
