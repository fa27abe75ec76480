"""Everybody whom a coordinator talks to over HTTP: registry, gateway and agents, good and worse."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from chains import Chain
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from mesh_cli import parts
from mesh_shared.agents.plugin import Plugin
from mesh_shared.agents.registration import metadata
from mesh_shared.auth.session import Sessions
from mesh_shared.auth.tokens import TokenVerifier, issue, jwks
from mesh_shared.canonical import json_hash
from mesh_shared.testing import Issuer, served
from paid_agent import SUBMISSION, Offer, PaidAgent
from paid_agent import create_app as create_agent
from text_agent import AGENTS

API_KEY = "key-of-the-coordinator"
Body = dict[str, Any]


@dataclass(slots=True)
class Agent:
    """An agent as the town knows it."""

    agent_id: str
    endpoint: str
    wallet: LocalAccount
    token_id: int


Answer = Callable[[Request, Agent], Awaitable[Response]]


@dataclass(slots=True)
class Town:
    """Everybody whom the coordinator talks to over HTTP, on one address: registry, gateway and agents.

    The registry answers the routes that the coordinator reads; what it lists is up to the test.
    """

    chain: Chain
    issuer: Issuer
    app: FastAPI = field(default_factory=FastAPI)
    url: str = ""
    listings: dict[str, Body] = field(default_factory=dict[str, Body])
    agents: dict[str, Agent] = field(default_factory=dict[str, Agent])
    announced: list[Body] = field(default_factory=list[Body])
    registry: FastAPI = field(default_factory=FastAPI)
    gateway_is_down: bool = False

    def build(self) -> None:
        registry, gateway = self.registry, FastAPI()
        registry.add_api_route("/livez", self._livez)
        registry.add_api_route("/v1/agents", self._offering)
        registry.add_api_route("/v1/agents", self._announce, methods=["POST"])
        registry.add_api_route("/v1/agents/{agent_id}", self._listing)
        gateway.add_api_route("/v1/sessions", self._session, methods=["POST"])
        gateway.add_api_route("/.well-known/jwks.json", self._jwks)
        self.app.mount("/registry", registry)
        self.app.mount("/gateway", gateway)

    async def _livez(self) -> Body:
        return {"status": "alive"}

    async def _offering(self, capability: str, limit: int) -> Body:
        offering = [body for body in self.listings.values() if capability in body["capabilities"]]
        best_first = sorted(offering, key=lambda body: -body["reputation"])
        return {"items": best_first[:limit], "next_cursor": None}

    async def _listing(self, agent_id: str) -> Any:
        return self.listings.get(agent_id) or Response(status_code=404)

    async def _announce(self, body: Body) -> Response:
        self.announced.append(body)
        return Response(status_code=202)

    async def _session(self, request: Request, body: Body) -> Any:
        if self.gateway_is_down:
            return Response(status_code=503)
        if request.headers.get("x-api-key") != API_KEY:
            return Response(status_code=401)
        audiences, scopes = body["audiences"], ["actions:invoke"]
        token, expires_at = issue(
            self.issuer.key, subject="coordinator", scopes=scopes, audiences=audiences, ttl_s=900
        )
        return {"token": token, "expires_at": expires_at}

    async def _jwks(self) -> Body:
        return jwks([self.issuer.key])

    async def enlist(
        self, name: str, described: Body, *, price: int, reputation: float = 0.5, **listed: Any
    ) -> Agent:
        """Registers an agent on the chain and lists it in the registry; `described` is its metadata."""
        wallet = Account.create()
        unique = f"test/{name}-{wallet.address}".lower()
        token_id = await self.chain.register(wallet.address, unique, *described["capabilities"])
        for tool in described["toolDefinitions"]:
            tool["price"] = str(price)
        agent = Agent("0x" + keccak(text=unique).hex(), described["endpoint"], wallet, token_id)
        self.listings[agent.agent_id] = described | {
            "agentId": agent.agent_id,
            "tokenId": str(token_id),
            "owner": wallet.address,
            "reputation": reputation,
            "active": True,
            "status": "confirmed",
            **listed,
        }
        self.agents[name] = agent
        return agent

    async def settle_down(self, name: str, plugin: Plugin, *, price: int, **listed: Any) -> PaidAgent:
        """A real agent with a wallet moves in, and answers under `/agents/<name>`."""
        described = metadata(plugin, f"{self.url}/agents/{name}")
        agent = await self.enlist(name, described, price=price, **listed)
        client = httpx.AsyncClient()
        paid = PaidAgent(
            plugin=plugin,
            offer=Offer(name, {}, 0),
            endpoint=agent.endpoint,
            wallet=agent.wallet,
            contracts=self.chain.deployed,
            sessions=Sessions(client, f"{self.url}/gateway", Path()),
            verifier=TokenVerifier(self.issuer.keys, frozenset({self.url})),
            registry_url=f"{self.url}/registry",
        )
        # Mounted, so that its lifespan, which registers it, does not run: it is registered already.
        self.app.mount(f"/agents/{name}", create_agent(paid, client))
        return paid

    async def hire_sample(self, name: str, *, reputation: float = 0.5) -> PaidAgent:
        """One of the sample agents `careful`, `quick` and `sloppy`, at its own price."""
        actions, price = AGENTS[name]
        plugin = Plugin(name=name, description=f"A {name} worker on text.", actions=actions)
        return await self.settle_down(name, plugin, price=price, reputation=reputation)

    async def move_in(
        self, name: str, answer: Answer, *, price: int = 1_000, capability: str = "work", **listed: Any
    ) -> Agent:
        """Somebody who answers `POST /agents/<name>/actions/WORK` however they like."""
        described: Body = {
            "name": name,
            "endpoint": f"{self.url}/agents/{name}",
            "capabilities": [capability],
            "toolDefinitions": [{"name": "WORK", "capability": capability}],
        }
        agent = await self.enlist(name, described, price=price, **listed)
        self.open_door(name, lambda request: answer(request, agent))
        return agent

    def open_door(self, name: str, answer: Callable[[Request], Awaitable[Response]]) -> str:
        """Answers `POST /agents/<name>/actions/WORK` for somebody whom nobody lists; returns the endpoint."""

        async def act(request: Request) -> Response:
            return await answer(request)

        self.app.add_route(f"/agents/{name}/actions/WORK", act, methods=["POST"])
        return f"{self.url}/agents/{name}"

    def delivered(self, request: Request, agent: Agent, data: Any, *, signed: Any = ...) -> Response:
        """A delivery of `data`, under the agent's signature over it, or over something else."""
        what = data if signed is ... else signed
        headers = {"X-Delivery-Signature": self.signature(agent, request.headers.get("x-escrow-id"), what)}
        return JSONResponse({"content": {"success": True, "data": data}}, headers=headers)

    def signature(self, agent: Agent, escrow_id: str | None, data: Any) -> str:
        domain = {
            "name": "MeshEscrow",
            "version": "1",
            "chainId": parts.CHAIN_ID,
            "verifyingContract": self.chain.deployed.address("MeshEscrow"),
        }
        escrow = bytes.fromhex((escrow_id or "00" * 32).removeprefix("0x"))
        message = {"escrowId": escrow, "resultHash": json_hash(data)}
        return agent.wallet.sign_typed_data(domain, SUBMISSION, message).signature.to_0x_hex()


@asynccontextmanager
async def open_town(chain: Chain, issuer: Issuer) -> AsyncGenerator[Town, None]:
    town = Town(chain, issuer)
    town.build()
    async with served(town.app) as town.url:
        yield town
