"""What keeps a secure deployment from being made: the gateway refuses, errs or is silent; the body is bad."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import pytest_asyncio
from fastapi import Response
from mesh_deployer.app import create_app
from mesh_deployer.schemas.sdl import HELLO
from mesh_deployer.settings import Settings
from mesh_shared.testing import Issuer, running, served
from pydantic import SecretStr

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from httpx import Response as Answer
    from security_gateway import Gateway

    from conftest import Tenant

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Desk:
    """A tenant of a deployer, and the gateway that the deployer asks."""

    tenant: Tenant
    gateway: Gateway


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(
    redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
    tenant_at: type[Tenant],
    gateway_at: type[Gateway],
) -> AsyncIterator[Desk]:
    """One deployer for all of this: nothing is ever deployed here."""
    issuer, folder = Issuer(), tmp_path_factory.mktemp("refusals")
    gateway = gateway_at(issuer)
    (folder / "service.key").write_text("the-deployers-key")
    async with served(gateway.app) as url:
        settings = Settings(port=8373, state_dir=folder, redis_url=SecretStr(redis_url), gateway_url=url)
        headers = issuer.headers("deployer:deploy", audience="deployer")
        async with running(create_app(settings, issuer.keys), headers) as http:
            yield Desk(tenant_at(http), gateway)


@pytest.fixture
def desk(opened: Desk) -> Desk:
    opened.gateway.refusal = opened.gateway.garbage = None
    return opened


async def secure(desk: Desk, **more: Any) -> Answer:
    body: dict[str, Any] = {
        "sdl": HELLO,
        "provider": "simulated",
        "cloud_provider": "akash",
        "profile": "zero-trust",
        "framework": "SOC2",
        "data_residency": "eu-west",
    }
    headers = {"Idempotency-Key": str(uuid4())}
    return await desk.tenant.http.post("/v1/secure-deployments", json=body | more, headers=headers)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
async def test_what_the_gateway_refuses_is_a_clear_refusal_and_nothing_is_deployed(desk: Desk, status: int):
    desk.gateway.refusal = (status, {"detail": "Not for the likes of you."})
    answer = await secure(desk)
    listed = (await desk.tenant.http.get("/v1/deployments")).json()["items"]

    assert (answer.status_code, answer.json()["code"]) == (409, "security-profile-refused")
    assert answer.json()["detail"] == "The security gateway refused the profile: Not for the likes of you."
    assert listed == []


@pytest.mark.parametrize(
    "garbage",
    [
        Response("<html>", 200),
        Response("{}", 200, media_type="application/json"),
        Response('{"profile": 5}', 200, media_type="application/json"),
        Response("", 500),
        Response("busy", 503),
        Response("", 302, {"Location": "http://example.com/"}),
    ],
    ids=["no JSON", "empty", "wrong types", "a bug", "busy", "elsewhere"],
)
async def test_a_gateway_that_talks_nonsense_is_down_and_nothing_is_deployed(desk: Desk, garbage: Response):
    desk.gateway.garbage = garbage
    answer = await secure(desk)
    listed = (await desk.tenant.http.get("/v1/deployments")).json()["items"]

    assert (answer.status_code, answer.json()["down"]) == (503, ["security-gateway"])
    assert answer.headers["retry-after"]
    assert listed == []


async def test_a_refusal_without_a_reason_is_one_as_well(desk: Desk):
    desk.gateway.garbage = Response("nope", 418)
    answer = await secure(desk)

    assert answer.json()["detail"].endswith("status 418, without a reason")


@pytest.mark.parametrize(
    "change",
    [
        {"cloud_provider": "aws"},
        {"profile": "none"},
        {"framework": "HIPAA"},
        {"data_residency": "EU West"},
        {"data_residency": ""},
        {"data_residency": None},
        {"surplus": 1},
    ],
)
async def test_what_is_not_on_offer_does_not_fit_the_schema(desk: Desk, change: dict[str, Any]):
    answer = await secure(desk, **change)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
