"""Which backends there are is the operator's choice; which is used is said by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from mesh_deployer.adapters.akash.market import AkashMarketplace
from mesh_deployer.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import MakeApp, Tenant, TenantOf

KEY = "5f" * 32


async def test_a_backend_that_is_not_connected_is_refused_by_name(tenant: Tenant):
    refused = await tenant.ask({"sdl": tenant.hello_web, "provider": "akash-chain"})

    assert (refused.status_code, refused.json()["code"]) == (409, "backend-not-configured")
    assert refused.json()["configured"] == ["docker", "simulated"]


async def test_a_backend_that_does_not_exist_does_not_fit_the_schema(tenant: Tenant):
    refused = await tenant.ask({"sdl": tenant.hello_web, "provider": "moon"})

    assert refused.status_code == 422


async def test_a_chain_that_does_not_answer_is_unavailable_and_nothing_is_deployed(
    make_app: MakeApp, tenant_of: TenantOf, tmp_path: Path
):
    app = make_app(f"sqlite+aiosqlite:///{tmp_path}/a.db", **connected(tmp_path))
    async with tenant_of(app) as tenant:
        refused = await tenant.ask({"sdl": tenant.hello_web, "provider": "akash-chain"})
        listed = (await tenant.http.get("/v1/deployments")).json()["items"]

    assert (refused.status_code, listed) == (503, [])
    assert KEY not in refused.text


async def test_a_chain_is_paid_for_by_the_key_in_its_file(
    make_app: MakeApp, tenant_of: TenantOf, tmp_path: Path
):
    app = make_app(f"sqlite+aiosqlite:///{tmp_path}/a.db", **connected(tmp_path))
    async with tenant_of(app):
        market = app.state.service.markets["akash-chain"]

    assert isinstance(market, AkashMarketplace)
    assert market.chain.signer.address.startswith("akash1")
    assert KEY not in repr(market)


async def test_auto_never_spends_money(make_app: MakeApp, tenant_of: TenantOf, tmp_path: Path):
    app = make_app(f"sqlite+aiosqlite:///{tmp_path}/a.db", **connected(tmp_path))
    async with tenant_of(app) as tenant:
        deployment = await tenant.deploy(provider="auto")

    assert deployment["provider"] == "simulated"


@pytest.mark.parametrize("given", [{"akash_profile": "v1"}, {"akash_gas_price": -1}, {"akash_fee_denom": ""}])
def test_settings_of_a_chain_that_make_no_sense_are_refused(given: dict[str, Any], tmp_path: Path):
    with pytest.raises(ValueError, match=next(iter(given))):
        Settings(state_dir=tmp_path, **given)


def connected(folder: Path) -> dict[str, Any]:
    """Settings for a chain where nobody listens."""
    (folder / "akash.key").write_text(f"{KEY}\n")
    return {"akash_url": "http://127.0.0.1:9", "akash_key_file": folder / "akash.key"}
