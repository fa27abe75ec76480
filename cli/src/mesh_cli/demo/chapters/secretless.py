"""An agent uses a credential and never has it."""

import base64
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mesh_cli.demo import cast
from mesh_cli.demo.stage import Stage, promise

AGENT = "demo/forecaster"
CONNECTION = "weather"
CITY = "Oslo"


async def tell(stage: Stage) -> None:
    """The upstream saw the credential; nothing that the agent, the logs or the databases hold has it."""
    figures = stage.chapter("secretless", "An agent uses a credential that it never sees")
    with tempfile.TemporaryDirectory() as vault:
        token_file = Path(vault) / "upstream.token"
        port = stage.mesh.ports.agent(len(cast.AGENTS))
        secret = cast.start_upstream(stage, port, token_file)
        await _connect(stage, port, secret)
        seen = await _ask(stage)
        await _check_upstream(stage, port)
        operation = await _operation(stage)
        searched = _search(stage, secret, seen, operation, token_file)
    verification = await stage.ask("GET", "security-gateway", "/v1/audit/verification")
    promise(verification.body["valid"], f"The audit does not hold: {verification.body['broken']}.")
    stage.say(
        f"the audit trail verifies: {verification.body['entries']} entries under one signed head",
        verification.ms,
    )
    figures |= {"searched": searched, "audit": verification.body, "context": operation["context"]}


async def _connect(stage: Stage, port: int, secret: str) -> None:
    provider = {
        "name": CONNECTION,
        "origin": f"http://127.0.0.1:{port}",
        "injector": {"kind": "bearer"},
        "allow_private": True,
    }
    connection = {"name": CONNECTION, "provider": CONNECTION, "secret": secret}
    grant = {"subject": AGENT, "connection": CONNECTION, "methods": ["GET"], "paths": ["/v1/weather/*"]}
    await stage.ask("POST", "security-gateway", "/v1/providers", key="demo-provider", json=provider)
    made = await stage.ask(
        "POST", "security-gateway", "/v1/connections", key="demo-connection", json=connection
    )
    await stage.ask("POST", "security-gateway", "/v1/grants", key="demo-grant", json=grant)
    stage.say(
        f"the operator sealed a credential, known by its fingerprint {made.body['fingerprint']} only", made.ms
    )
    stage.say(f"{AGENT} may GET /v1/weather/* through it, and nothing else")


async def _ask(stage: Stage) -> str:
    """Runs the agent; returns everything that it saw of the exchange."""
    key_file = await cast.mesh_key(stage, AGENT, "gateway:proxy")
    gateway = stage.mesh.url("security-gateway")
    argv: list[str | Path] = [sys.executable, cast.EXAMPLES / "agents" / "forecaster.py", CITY]
    argv += ["--connection", CONNECTION, "--api-key-file", key_file, "--gateway-url", gateway]
    printed = cast.run(argv)
    answer = json.loads(printed)[-1]["response"]
    promise(answer["status"] == 200, f"The agent got {answer['status']}: {answer['body']}")  # noqa: PLR2004 - OK
    stage.say(f"the agent asked and got its answer: {answer['body']}")
    return printed


async def _check_upstream(stage: Stage, port: int) -> None:
    calls = (await stage.http.get(f"http://127.0.0.1:{port}/calls")).raise_for_status().json()
    promise(calls == {"authorized": 1, "refused": 0}, f"The upstream counted {calls}.")
    stage.say("the upstream saw the credential: 1 call authorized, 0 refused")


async def _operation(stage: Stage) -> dict[str, Any]:
    """The same as an action, whose answer tells the secure context; the operator grants it to itself."""
    grant = {"subject": "admin", "connection": CONNECTION, "methods": ["GET"], "paths": ["/v1/weather/*"]}
    await stage.ask("POST", "security-gateway", "/v1/grants", key="demo-own-grant", json=grant)
    parameters = {"connection": CONNECTION, "method": "GET", "path": f"/v1/weather/{CITY}"}
    body = {"parameters": parameters}
    done = await stage.ask("POST", "security-gateway", "/actions/SECURE_OPERATION", key="demo-op", json=body)
    content = done.body["content"]
    promise(content["success"], f"SECURE_OPERATION answered {content['error']}.")
    context = content["data"]["context"]
    stage.say(
        f"SECURE_OPERATION: authenticated, permitted {context['permissions']}, "
        f"{len(context['auditTrail'])} audit entries",
        done.ms,
    )
    return content["data"]


def _search(
    stage: Stage, secret: str, seen: str, operation: dict[str, Any], token_file: Path
) -> dict[str, int]:
    """Looks for the secret, in all its spellings, everywhere that it must not be."""
    spellings = _spellings(secret)
    places = {"agent": seen.encode(), "answers": json.dumps(operation).encode()}
    files = [path for path in sorted(stage.mesh.state_dir.rglob("*")) if path.is_file()]
    size = 0
    for name, data in (*places.items(), *_contents(files)):
        promise(not any(s in data for s in spellings), f"The secret is in clear in {name}.")
        size += len(data)
    promise(spellings[0] in token_file.read_bytes(), "The search does not find the secret where it is.")
    stage.say(
        f"byte search in {len(spellings)} spellings: neither in what the agent saw, "
        f"nor in {len(files)} files of logs, databases and state ({size / 2**20:.1f} MiB)"
    )
    return {"files": len(files), "bytes": size, "found": 0}


def _contents(files: list[Path]) -> Iterator[tuple[str, bytes]]:
    for path in files:
        yield str(path), path.read_bytes()


def _spellings(secret: str) -> list[bytes]:
    raw = secret.encode()
    # Base64 spells a text in three ways, by where it begins; the ends depend on its neighbours.
    encoded = [base64.b64encode(b"\0" * before + raw)[4:-4] for before in range(3)]
    return [raw, raw.hex().encode(), quote(secret, safe="").encode(), *encoded]
