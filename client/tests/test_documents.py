"""What the client asks and reads is what the OpenAPI documents say, call by call and field by field."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import msgspec
import pytest
import stamina
from mesh_client import Addresses, MeshError, analyzer, coordinator, deployer, gateway, registry
from mesh_client.analyzer import Analyzer
from mesh_client.channel import Channel, Patience
from mesh_client.coordinator import Coordinator
from mesh_client.deployer import Deployer
from mesh_client.gateway import Gateway
from mesh_client.registry import Registry

DOCUMENTS = Path(__file__).parents[2] / "docs" / "openapi"
ID = "6f1c3c1e-6d1f-4b71-9e0a-0d3f6a1c2b3d"
AGENT_ID = "0x" + "ab" * 32
METADATA = {
    "name": "n",
    "description": "d",
    "endpoint": "https://agent.example",
    "capabilities": ["c.d"],
    "toolDefinitions": [],
    "reputationHistory": [],
}
CONFIG = {
    "name": "web",
    "image": "debian:trixie-slim",
    "port": 80,
    "cpu_millis": 500,
    "memory_bytes": 2**29,
    "storage_bytes": 2**30,
    "max_price_uact_per_block": "100",
}

SERVICES = {
    "registry": Registry,
    "coordinator": Coordinator,
    "deployer": Deployer,
    "security-gateway": Gateway,
    "workspace-analyzer": Analyzer,
}
CALLS: list[tuple[str, str, Callable[[Any], Any]]] = [
    ("registry", "list_agents", lambda it: first(it.agents(capability="c.d", min_reputation=0.5, text="t"))),
    ("registry", "get_agent", lambda it: it.agent(AGENT_ID)),
    ("registry", "register_agent", lambda it: it.register("me/n", METADATA, stake_units=5)),
    ("registry", "get_operation", lambda it: it.operation(ID)),
    ("registry", "stream_events", lambda it: first(it.events(after=3))),
    ("coordinator", "create_plan", lambda it: it.plan("Do it.")),
    ("coordinator", "start_run", lambda it: it.start("Do it.", budget=10**30, parallel=2)),
    ("coordinator", "get_run", lambda it: it.run(ID)),
    ("coordinator", "list_runs", lambda it: first(it.runs(status="running"))),
    ("coordinator", "cancel_run", lambda it: it.cancel(ID)),
    ("coordinator", "decide_approval", lambda it: it.decide(ID, ID, approve=True)),
    ("coordinator", "stream_run_events", lambda it: first(it.follow(ID, after=2))),
    ("coordinator", "get_escrow", lambda it: it.escrow(AGENT_ID)),
    ("coordinator", "stream_events", lambda it: first(it.events())),
    ("deployer", "generate_sdl", lambda it: it.sdl(CONFIG)),
    ("deployer", "validate_sdl", lambda it: it.validate("version: '2.0'")),
    ("deployer", "create_deployment", lambda it: it.deploy("version: '2.0'", strategy="cheapest")),
    ("deployer", "get_deployment", lambda it: it.deployment(ID)),
    ("deployer", "list_deployments", lambda it: first(it.deployments())),
    ("deployer", "list_bids", lambda it: it.bids(ID)),
    ("deployer", "close_deployment", lambda it: it.close(ID)),
    ("deployer", "stream_logs", lambda it: first(it.logs(ID, tail=5))),
    ("deployer", "stream_events", lambda it: first(it.events())),
    ("security-gateway", "create_api_key", lambda it: it.create_api_key("me/n", "registry:read")),
    ("security-gateway", "create_connection", lambda it: it.connect("weather", "weather", "sk-an-example")),
    ("security-gateway", "list_connections", lambda it: first(it.connections())),
    ("security-gateway", "give_grant", lambda it: it.grant("me/n", "weather", methods=["GET"], paths=["/*"])),
    ("security-gateway", "list_audit_entries", lambda it: first(it.audit(connection="weather"))),
    ("security-gateway", "verify_audit", lambda it: it.verify_audit()),
    ("security-gateway", "stream_events", lambda it: first(it.events())),
    ("workspace-analyzer", "create_analysis", lambda it: it.analyze("shop", base="main", head="HEAD")),
    ("workspace-analyzer", "get_analysis", lambda it: it.analysis(ID)),
    ("workspace-analyzer", "create_build", lambda it: it.build(ID)),
    ("workspace-analyzer", "stream_events", lambda it: first(it.events())),
]
READ = {
    "registry": {
        "AgentView": registry.Agent,
        "Tool": registry.Tool,
        "OperationView": registry.Operation,
        "DraftView": registry.Draft,
    },
    "coordinator": {
        "PlanView": coordinator.Plan,
        "PlannedStepView": coordinator.PlannedStep,
        "CandidateView": coordinator.Candidate,
        "RunView": coordinator.Run,
        "StepView": coordinator.Step,
        "AttemptView": coordinator.Attempt,
        "QualityView": coordinator.Quality,
        "CheckView": coordinator.Check,
        "ApprovalView": coordinator.Approval,
        "BudgetView": coordinator.Budget,
        "EscrowView": coordinator.Escrow,
    },
    "deployer": {
        "ValidationView": deployer.Validation,
        "IssueView": deployer.Issue,
        "BidView": deployer.Bid,
        "DeclinedView": deployer.Declined,
        "BidsView": deployer.Bids,
        "DeploymentView": deployer.Deployment,
    },
    "security-gateway": {
        "ConnectionView": gateway.Connection,
        "GrantView": gateway.Grant,
        "AuditEntryView": gateway.AuditEntry,
        "VerificationView": gateway.Verification,
        "NewApiKeyView": gateway.ApiKey,
    },
    "workspace-analyzer": {
        "AnalysisView": analyzer.Analysis,
        "AffectedView": analyzer.Affected,
        "RecommendationView": analyzer.Recommendation,
        "BuildView": analyzer.Build,
    },
}


async def first(items: Any) -> Any:
    async for item in items:
        await items.aclose()
        return item
    return None


def document(service: str) -> dict[str, Any]:
    return json.loads((DOCUMENTS / f"{service}.json").read_text())


@dataclass
class Recorder:
    """Takes every request and refuses it, so that each call asks one thing."""

    asked: list[httpx.Request] = field(default_factory=list[httpx.Request])

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return httpx.Response(418, json={"code": "recorded"})


def asked(service: str, call: Callable[[Any], Awaitable[Any]]) -> httpx.Request:
    """What the call sends to its service."""

    async def record() -> httpx.Request:
        recorder = Recorder()
        async with httpx.AsyncClient(transport=httpx.MockTransport(recorder)) as http:
            with pytest.raises(MeshError, match="recorded"):
                await call(SERVICES[service](Channel(http, Addresses().registry, None, Patience(attempts=1))))
        (request,) = recorder.asked
        return request

    with stamina.set_testing(True, attempts=1):
        return asyncio.run(record())


def operation(said: dict[str, Any], name: str) -> tuple[str, str, dict[str, Any]]:
    """The method and path of an operation, and what its document says of it."""
    ((method, path, told),) = [
        (method, path, told)
        for path, methods in said["paths"].items()
        for method, told in methods.items()
        if isinstance(told, dict) and told.get("operationId") == name
    ]
    return method.upper(), path, told


@pytest.mark.parametrize(("service", "name", "call"), CALLS, ids=[f"{row[0]} {row[1]}" for row in CALLS])
def test_a_call_asks_what_the_document_describes(
    service: str, name: str, call: Callable[[Any], Awaitable[Any]]
):
    said = document(service)
    method, path, told = operation(said, name)

    request = asked(service, call)

    assert request.method == method
    assert re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)), request.url.path)
    parameters = {(one["in"], one["name"].lower()): one for one in told.get("parameters", [])}
    unknown = {name for name in request.url.params if ("query", name.lower()) not in parameters}
    assert not unknown, f"{path} takes no {unknown}"
    needed = [name for (place, name), one in parameters.items() if place == "header" and one.get("required")]
    assert all(name in request.headers for name in needed)
    if "requestBody" in told:
        schema = told["requestBody"]["content"]["application/json"]["schema"]
        jsonschema.validate(json.loads(request.content), schema | {"components": said["components"]})


ROWS = [(service, name, kind) for service, kinds in READ.items() for name, kind in kinds.items()]


@pytest.mark.parametrize(("service", "name", "kind"), ROWS, ids=[f"{row[0]} {row[1]}" for row in ROWS])
def test_what_is_read_is_what_the_document_gives(service: str, name: str, kind: type[msgspec.Struct]):
    schema = document(service)["components"]["schemas"][name]
    fields = msgspec.structs.fields(kind)

    assert not {one.encode_name for one in fields} - schema["properties"].keys()
    must = {one.encode_name for one in fields if one.required}
    assert not must - set(schema.get("required", ())), "a member that may be missing is asked for"
