"""A workload is described, bid for, leased and, where an engine is at hand, really run."""

from typing import Any

from mesh_cli.demo.stage import Stage, promise

PAGE = r"""
my $server = IO::Socket::INET->new(LocalPort => 80, Listen => 16, ReuseAddr => 1) or die $!;
while (my $client = $server->accept) {
  while (<$client>) { last if /^\r?$/ }
  print $client "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n$ENV{GREETING}\n";
  close $client;
}
"""
CONFIG = {
    "name": "web",
    "image": "debian:trixie-slim",
    "command": ["perl", "-MIO::Socket::INET", "-e"],
    "args": [PAGE.strip()],
    "env": {"GREETING": "Hello from the mesh"},
    "port": 80,
    "cpu_millis": 250,
    "memory_bytes": 128 * 2**20,
    "storage_bytes": 512 * 2**20,
    "max_price_uact_per_block": "100",
}
WAITS = {"Prefer": "wait=20"}


async def tell(stage: Stage) -> None:
    """An SDL is made and validated, the cheapest trusted bid wins and says why, and costs are computed."""
    figures = stage.chapter("deployment", "An agent is deployed")
    sdl = await _describe(stage)
    deployment = await _deploy(stage, sdl)
    figures |= await _bids(stage, deployment)
    figures |= await _lease(stage, deployment)
    figures["costReduction"] = _costs(stage, deployment)
    figures["secure"] = await _secure(stage, sdl)
    await _close(stage, deployment)


async def _describe(stage: Stage) -> str:
    made = await stage.ask("POST", "deployer", "/v1/sdl", json=CONFIG)
    sdl = made.body["sdl"]
    checked = await stage.ask("POST", "deployer", "/v1/sdl/validate", json={"sdl": sdl})
    promise(checked.body["ok"], f"The generated SDL is not valid: {checked.body['issues']}.")
    stage.say(f"an SDL was generated from {len(CONFIG)} values", made.ms)
    stage.say(f"and compiled: manifest hash {checked.body['version_hash'][:16]}…", checked.ms)
    return sdl


async def _deploy(stage: Stage, sdl: str) -> dict[str, Any]:
    body = {"sdl": sdl, "provider": "auto"}
    made = await stage.ask("POST", "deployer", "/v1/deployments", key="demo-deploy", headers=WAITS, json=body)
    promise(made.body["status"] == "active", f"It is not active: {made.body['explanation']}")
    stage.say(f"deployment {made.body['deploymentId']}: {made.body['explanation']}", made.ms)
    return made.body


async def _bids(stage: Stage, deployment: dict[str, Any]) -> dict[str, Any]:
    bids = (await stage.ask("GET", "deployer", f"/v1/deployments/{deployment['deploymentId']}/bids")).body
    table = stage.table("bid", "uact per block", "reputation", "why")
    for bid in bids["items"]:
        table.add_row(bid["provider"], bid["uact_per_block"], bid["reputation"], bid["reason"])
    stage.draw(table)
    chosen = next(bid for bid in bids["items"] if bid["rank"] == 1)
    trusted = [bid for bid in bids["items"] if bid["accepted"]]
    promise(
        all(float(chosen["uact_per_block"]) <= float(bid["uact_per_block"]) for bid in trusted),
        "The chosen bid is not the cheapest of good reputation.",
    )
    stage.say(f"chosen: {chosen['provider']}. {chosen['reason']}")
    return {"bids": len(bids["items"]), "chosen": chosen}


async def _lease(stage: Stage, deployment: dict[str, Any]) -> dict[str, Any]:
    stage.say(f"lease {deployment['leaseId']} at {deployment['providerUri']}")
    stage.say(f"provider {deployment['provider']}: {deployment['provider_reason']}")
    for uri in deployment["uris"]:
        page = await stage.http.get(uri)
        promise(page.is_success, f"{uri} answered {page.status_code}.")
        stage.say(f"the container answers at {uri}: {page.text.strip()}")
    names = ("deploymentId", "leaseId", "providerUri", "provider", "uris")
    return {name: deployment[name] for name in names}


def _costs(stage: Stage, deployment: dict[str, Any]) -> dict[str, Any]:
    costs = deployment["costReduction"]
    stage.say(
        f"{costs['akash_usd_month']} USD a month ({costs['basis']}); prices of {costs['snapshot_date']}"
    )
    table = stage.table("cost reduction against", "same resources", "as delivered")
    for cloud, percent in costs["percent_like_for_like"].items():
        delivered = costs["percent_as_delivered"][cloud]
        table.add_row(cloud, *(f"{value} %" if value else "not priced" for value in (percent, delivered)))
    stage.draw(table)
    stage.show(f"formula: {costs['formula']}")
    return costs


async def _close(stage: Stage, deployment: dict[str, Any]) -> None:
    """Waits for the end: a mesh that stops before it leaves a network of nobody on the engine."""
    path = f"/v1/deployments/{deployment['deploymentId']}/close"
    made = await stage.ask("POST", "deployer", path, key="demo-close", headers=WAITS)
    promise(made.body["status"] == "closed", f"It is not closed: {made.body['explanation']}")


async def _secure(stage: Stage, sdl: str) -> dict[str, Any]:
    body = {
        "sdl": sdl,
        "provider": "simulated",
        "cloud_provider": "akash",
        "profile": "zero-trust",
        "framework": "SOC2",
        "data_residency": "eu-west",
    }
    made = await stage.ask(
        "POST", "deployer", "/v1/secure-deployments", key="demo-secure", headers=WAITS, json=body
    )
    report, answer = made.body["complianceReport"], made.body
    found = ", ".join(f"{count} {status}" for status, count in report["summary"].items())
    stage.say(f"deployWithSecurity: zero-trust, SOC2 and eu-west assessed: {found}", made.ms)
    entries = len(answer["auditLogs"]["entries"])
    stage.say(f"it makes its calls at {answer['securityEndpoint']}; {entries} audit entries")
    return {"deploymentId": answer["deploymentId"], "controls": report["summary"]}
