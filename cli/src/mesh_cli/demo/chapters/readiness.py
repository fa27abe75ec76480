"""Everything is up: five services, their contracts, and the admin's way in."""

from mesh_cli.demo.stage import Stage, promise

OWNER_ONLY = 0o600


async def tell(stage: Stage, boot_s: float) -> None:
    """All five are ready, the chain has the contracts, and the admin's key opens a session."""
    figures = stage.chapter("ready", "Five services are ready")
    for service in stage.mesh.ports.services:
        ready = await stage.ask("GET", service, "/readyz")
        stage.say(f"{service:18} {stage.mesh.url(service)}  with {', '.join(ready.body['checks'])}", ready.ms)
    for name, address in stage.contracts.contracts.items():
        code = await stage.rpc.request("eth_getCode", address, "latest")
        promise(code != "0x", f"There is no {name} at {address}.")
    stage.say(f"{', '.join(stage.contracts.contracts)} deployed on chain {stage.contracts.chain_id}")
    await _sign_in(stage)
    stage.say(f"all of it up in {boot_s:.1f} s")
    figures |= {
        "services": len(stage.mesh.ports.services),
        "contracts": stage.contracts.contracts,
        "boot_s": round(boot_s, 2),
    }


async def _sign_in(stage: Stage) -> None:
    key_file = stage.mesh.admin_key_file
    mode = key_file.stat().st_mode & 0o777
    promise(mode == OWNER_ONLY, f"The admin key {key_file} can be read by others: {mode:o}.")
    key = key_file.read_text().strip()
    session = await stage.ask("POST", "security-gateway", "/v1/sessions", headers={"X-API-Key": key})
    promise(session.body["subject"] == "admin", "The admin's key opened a session of somebody else.")
    stage.say("the gateway minted the admin's key (mode 0600); it opens sessions of 15 minutes", session.ms)
