"""Bad input of every kind gets a clear problem document, and nothing is lost or stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import pytest_asyncio
from mesh_deployer.app import create_app
from mesh_deployer.schemas.sdl import HELLO
from mesh_deployer.settings import Settings
from mesh_shared.testing import Issuer, running
from pydantic import SecretStr

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from httpx import Response

    from conftest import Tenant

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]" for n in range(9)
)
DEEP = "a: " + "[" * 10_000 + "]" * 10_000
PROBLEM = {"type", "title", "status", "detail", "instance", "code", "trace_id"}
POSTS = ["/v1/sdl", "/v1/sdl/validate", "/v1/deployments", "/v1/secure-deployments", "/v1/cost-comparisons"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tenant(
    redis_url: str, tmp_path_factory: pytest.TempPathFactory, tenant_at: type[Tenant]
) -> AsyncIterator[Tenant]:
    """One deployer for all of this: whatever it is given here, it is none the worse for it."""
    issuer, folder = Issuer(), tmp_path_factory.mktemp("bad")
    settings = Settings(
        port=8373, state_dir=folder, redis_url=SecretStr(redis_url), docker_url=f"unix://{folder}/none"
    )
    headers = issuer.headers("deployer:deploy", "actions:invoke", audience="deployer")
    async with running(create_app(settings, issuer.keys), headers) as http:
        yield tenant_at(http)


async def post(tenant: Tenant, path: str, **request: Any) -> Response:
    headers = {"Idempotency-Key": str(uuid4())} | request.pop("headers", {})
    return await tenant.http.post(path, headers=headers, **request)


def is_problem(answer: Response, status: int, code: str) -> bool:
    body = answer.json()
    return (
        answer.headers["content-type"] == "application/problem+json"
        and body.keys() >= PROBLEM
        and (answer.status_code, body["status"], body["code"]) == (status, status, code)
        and "Traceback" not in answer.text
    )


@pytest.mark.parametrize(
    ("sdl", "code"),
    [
        (BOMB, "too-large"),
        (DEEP, "too-deep"),
        ("", "empty"),
        ("version: [", "yaml"),
        ("version: !!python/object/apply:os.system [id]", "not-a-value"),
        ("version: '2.0'\nservices: {a: {image: b}, a: {image: c}}", "duplicate-key"),
        (HELLO.replace("amount: 100", "amount: -100"), "quantity"),
        (HELLO.replace("amount: 100", "amount: 1e400"), "quantity"),
        (HELLO.replace("count: 1", "count: -1"), "not-a-number"),
        (HELLO.replace("port: 80", "port: 99999"), "out-of-range"),
        (HELLO.replace("units: 100m", "units: NaN"), "out-of-range"),
    ],
)
async def test_an_sdl_that_is_none_is_refused_with_the_reason_and_nothing_is_deployed(
    tenant: Tenant, sdl: str, code: str
):
    deployed = await post(tenant, "/v1/deployments", json={"sdl": sdl})
    validated = await post(tenant, "/v1/sdl/validate", json={"sdl": sdl})

    assert is_problem(deployed, 409, "sdl-invalid")
    assert code in [issue["code"] for issue in deployed.json()["issues"]]
    assert (validated.status_code, validated.json()["ok"]) == (200, False)
    assert (await tenant.http.get("/v1/deployments")).json()["items"] == []


@pytest.mark.parametrize(
    "image",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "../containers/other",
        "nginx/../../x",
        "file:///etc/passwd",
        "nginx latest",
        "nginx;id",
        "http://evil.example/x",
        "NGINX",
        "nginx@sha256:short",
    ],
)
async def test_a_path_or_a_command_in_the_place_of_an_image_is_refused(tenant: Tenant, image: str):
    deployed = await post(
        tenant, "/v1/deployments", json={"sdl": HELLO.replace("debian:trixie-slim", f"'{image}'")}
    )
    generated = await post(tenant, "/v1/sdl", json=tenant.config | {"image": image})

    assert is_problem(deployed, 409, "image-not-a-reference")
    assert deployed.json()["services"] == ["web"]
    assert is_problem(generated, 422, "invalid-request")
    assert [error["pointer"] for error in generated.json()["errors"]] == ["/image"]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": "Web!"}, "/name"),
        ({"name": ""}, "/name"),
        ({"port": 0}, "/port"),
        ({"port": 65536}, "/port"),
        ({"port": "80"}, "/port"),
        ({"port": True}, "/port"),
        ({"cpu_millis": 9}, "/cpu_millis"),
        ({"cpu_millis": 0.5}, "/cpu_millis"),
        ({"memory_bytes": 2**60}, "/memory_bytes"),
        ({"storage_bytes": -1}, "/storage_bytes"),
        ({"replicas": 0}, "/replicas"),
        ({"replicas": 10**9}, "/replicas"),
        ({"max_price_uact_per_block": "-1"}, "/max_price_uact_per_block"),
        ({"max_price_uact_per_block": "0"}, "/max_price_uact_per_block"),
        ({"max_price_uact_per_block": "1e9"}, "/max_price_uact_per_block"),
        ({"max_price_uact_per_block": "NaN"}, "/max_price_uact_per_block"),
        ({"max_price_uact_per_block": 1.5}, "/max_price_uact_per_block"),
        ({"env": {"A": 1}}, "/env/A"),
        ({"env": ["A=1"]}, "/env"),
        ({"env": {"A": "x" * 4097}}, "/env/A"),
        ({"command": "sleep 1"}, "/command"),
        ({"args": ["x"] * 101}, "/args"),
        ({"surplus": 1}, "/surplus"),
    ],
)
async def test_a_config_that_does_not_fit_is_refused_with_the_place(
    tenant: Tenant, change: dict[str, Any], pointer: str
):
    answer = await post(tenant, "/v1/sdl", json=tenant.config | change)

    assert is_problem(answer, 422, "invalid-request")
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"sdl": HELLO, "config": {}},
        {"sdl": HELLO, "config": None},
        {"sdl": None},
        {"sdl": 5},
        {"sdl": HELLO, "provider": "aws"},
        {"sdl": HELLO, "provider": None},
        {"sdl": HELLO, "reputation_floor": -0.1},
        {"sdl": HELLO, "reputation_floor": 1.1},
        {"sdl": HELLO, "reputation_floor": "0.5"},
        {"sdl": HELLO, "deposit": 1},
        [],
        "text",
        None,
    ],
)
async def test_a_request_names_exactly_one_thing_to_deploy_and_a_known_backend(tenant: Tenant, body: Any):
    answer = await post(tenant, "/v1/deployments", json=body)

    assert is_problem(answer, 422, "invalid-request")


@pytest.mark.parametrize("path", POSTS)
async def test_ten_megabytes_are_not_read(tenant: Tenant, path: str):
    answer = await post(
        tenant,
        path,
        content=b'{"sdl": "' + b"a" * 10**7 + b'"}',
        headers={"Content-Type": "application/json"},
    )

    assert is_problem(answer, 413, "body-too-large")


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"sdl": NaN}', "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b'{"sdl": "\\ud800"}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"{}", "text/yaml", 415),
        (b"sdl=a", "application/x-www-form-urlencoded", 415),
    ],
    ids=["open", "NaN", "no UTF-8", "lone surrogate", "nested", "YAML", "form"],
)
async def test_what_is_no_json_is_not_taken_for_it(
    tenant: Tenant, path: str, content: bytes, media_type: str, status: int
):
    answer = await post(tenant, path, content=content, headers={"Content-Type": media_type})

    assert is_problem(answer, status, {400: "malformed-request", 415: "unsupported-media-type"}[status])


async def test_nul_in_a_text_is_refused_as_such(tenant: Tenant):
    answer = await post(tenant, "/v1/sdl/validate", json={"sdl": "a\0b"})

    assert answer.status_code in (409, 422)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("key", ["", "with blank", "ü", "x" * 256])
async def test_a_key_that_is_none_is_refused(tenant: Tenant, key: str):
    headers = [(b"Idempotency-Key", key.encode("latin-1"))]
    answer = await tenant.http.post("/v1/deployments", json={"sdl": HELLO}, headers=headers)

    assert is_problem(answer, 422, "invalid-request")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/deployments/not-a-uuid", 422, "invalid-request"),
        ("GET", "/v1/deployments/00000000-0000-4000-8000-000000000000", 404, "deployment-not-found"),
        ("GET", "/v1/deployments/00000000-0000-4000-8000-000000000000/bids", 404, "deployment-not-found"),
        ("POST", "/v1/deployments/00000000-0000-4000-8000-000000000000/close", 404, "deployment-not-found"),
        ("GET", "/v1/secure-deployments/00000000-0000-4000-8000-000000000000", 404, "deployment-not-found"),
        ("GET", "/v1/deployments?limit=0", 422, "invalid-request"),
        ("GET", "/v1/deployments?limit=101", 422, "invalid-request"),
        ("GET", "/v1/deployments?cursor=made-up", 404, "cursor-not-found"),
        ("GET", "/v1/deployments?cursor=a%00b", 400, "malformed-request"),
        ("PUT", "/v1/deployments", 405, "method-not-allowed"),
        ("DELETE", "/v1/sdl", 405, "method-not-allowed"),
        ("GET", "/v1/nothing", 404, "route-not-found"),
        ("POST", "/actions/NO_SUCH_ACTION", 404, "action-not-found"),
    ],
)
async def test_what_is_not_there_or_not_possible_is_said_so(
    tenant: Tenant, method: str, path: str, status: int, code: str
):
    answer = await tenant.http.request(method, path)

    assert is_problem(answer, status, code)


@pytest.mark.parametrize(
    "change",
    [
        {"cpu_millis": 0},
        {"memory_bytes": 0},
        {"storage_bytes": -1},
        {"uact_per_block": "-1"},
        {"uact_per_block": 5},
        {"uact_per_block": "Infinity"},
        {"uact_per_block": "1." + "1" * 7},
        {"surplus": 1},
    ],
)
async def test_a_comparison_of_nonsense_is_refused(tenant: Tenant, change: dict[str, Any]):
    sound = {"cpu_millis": 1000, "memory_bytes": 10**9, "storage_bytes": 0, "uact_per_block": "13.5"}

    answer = await post(tenant, "/v1/cost-comparisons", json=sound | change)

    assert is_problem(answer, 422, "invalid-request")


async def test_without_a_key_nothing_is_deployed(tenant: Tenant):
    response = await tenant.http.post("/v1/deployments", json={"sdl": tenant.hello_web})

    assert (response.status_code, response.json()["code"]) == (400, "idempotency-key-required")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("version:", "versoin:"), "sdl-invalid"),
        (("denom: uact", "denom: uakt"), "price-not-in-uact"),
        (("GREETING=Hello from the mesh", "API_KEY=sk-live"), "secret-in-sdl"),
        (("size: 128Mi", "size: 1GB"), "sdl-invalid"),
        (("version:", "reclamation: {min_window: 1h}\nversion:"), "not-run-here"),
        (
            ("    env:", "    credentials: {host: a, username: b, password: c}\n    env:"),
            "credentials-not-sent",
        ),
        (("units: 250m", "units: 250m\n          attributes: {arch: amd64}"), "not-run-there"),
    ],
)
async def test_an_sdl_that_cannot_be_deployed_is_refused(tenant: Tenant, change: tuple[str, str], code: str):
    response = await tenant.ask({"sdl": tenant.changed(change)})

    assert (response.status_code, response.json()["code"]) == (409, code)
    assert "sk-live" not in response.text


async def test_a_refused_sdl_is_refused_with_every_fault(tenant: Tenant):
    response = await tenant.ask(
        {"sdl": tenant.changed(("size: 128Mi", "size: 1GB"), ("port: 80", "port: 0"))}
    )

    assert {(issue["path"], issue["code"]) for issue in response.json()["issues"]} == {
        ("profiles.compute.web.resources.memory.size", "quantity"),
        ("services.web.expose[0].port", "out-of-range"),
    }
