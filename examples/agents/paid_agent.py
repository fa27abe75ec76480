"""An agent of its own: it lists itself in the registry, answers actions, and signs what it delivers.

It holds its wallet's key and an API key of the mesh, and needs no ether: the services relay what it signs.
"""

import argparse
import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

import httpx
import uvicorn
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak
from fastapi import FastAPI, Header, HTTPException, Response
from mesh_shared import http
from mesh_shared.agents.plugin import Action, Invocation, Plugin, Reply, Runtime, failed, invoke
from mesh_shared.agents.registration import metadata
from mesh_shared.auth.keys import RemoteKeys
from mesh_shared.auth.session import Sessions
from mesh_shared.auth.tokens import Principal, TokenVerifier
from mesh_shared.canonical import canonical_json, json_hash
from mesh_shared.chain import deployment, keys
from mesh_shared.chain.deployment import Deployment
from mesh_shared.content import cid
from mesh_shared.errors import MeshError, Unauthenticated
from mesh_shared.web.agent import ActionReply, request_model
from pydantic import BaseModel, ValidationError

REMEMBERED = 1000
SUBMISSION = {
    "Submission": [{"name": "escrowId", "type": "bytes32"}, {"name": "resultHash", "type": "bytes32"}],
}


@dataclass(frozen=True, slots=True)
class Offer:
    """What the agent asks for its work: a price per capability, in base units, and a stake behind it."""

    agent_id: str
    prices: dict[str, int]
    stake_units: int


@dataclass(slots=True)
class Answers:
    """The answers of the last invocations by key: a retry gets the same one, and no work is done twice."""

    _kept: OrderedDict[str, asyncio.Task[tuple[ActionReply, str | None]]] = field(
        default_factory=OrderedDict[str, "asyncio.Task[tuple[ActionReply, str | None]]"]
    )

    async def once(self, key: str, work: Any) -> tuple[ActionReply, str | None]:
        if key not in self._kept:
            self._kept[key] = asyncio.create_task(work())
            if len(self._kept) > REMEMBERED:
                self._kept.popitem(last=False)
        return await asyncio.shield(self._kept[key])


@dataclass(slots=True)
class PaidAgent:
    """A plugin with a wallet, reachable at `endpoint`."""

    plugin: Plugin
    offer: Offer
    endpoint: str
    wallet: LocalAccount
    contracts: Deployment
    sessions: Sessions
    verifier: TokenVerifier
    registry_url: str
    registration: dict[str, Any] = field(default_factory=dict[str, Any])
    answers: Answers = field(default_factory=Answers)

    async def register(self, client: httpx.AsyncClient) -> None:
        """Lists the agent, once: what the registry proposes is checked, signed, and sent back."""
        described = self._metadata()
        self.registration = await self._listed(client, described)
        if self.registration:
            return
        request = {"id": self.offer.agent_id, "metadata": described, "stake": str(self.offer.stake_units)}
        auth = self.sessions.auth("registry")
        proposal = await _posted(
            client, f"{self.registry_url}/v1/registrations", request | {"owner": self.wallet.address}, auth
        )
        authorization = self._authorize(proposal, described)
        self.registration = await _posted(
            client,
            f"{self.registry_url}/v1/agents?wait=confirmed",
            request | {"authorization": authorization},
            auth,
        )

    async def _listed(self, client: httpx.AsyncClient, described: dict[str, Any]) -> dict[str, Any]:
        """What the registry has under our name; nothing before we first came.

        Raises `ValueError` where that is another's or says something else.
        """
        agent = f"{self.registry_url}/v1/agents/0x{keccak(text=self.offer.agent_id).hex()}"
        response = await client.get(agent, timeout=60)
        if response.status_code == HTTPStatus.NOT_FOUND:
            return {}
        listed = response.raise_for_status().json()
        if listed["owner"] != self.wallet.address:
            raise ValueError(
                f"{self.offer.agent_id} is another's: choose another name, or use its wallet.key"
            )
        if listed["metadataCid"] != str(cid.of(canonical_json(described))):
            raise ValueError(f"{self.offer.agent_id} is listed as something else: POST {agent}/changes")
        return listed

    async def act(
        self, action: Action, body: BaseModel, caller: Principal, escrow_id: str | None
    ) -> tuple[ActionReply, str | None]:
        """Runs the action; under an escrow the result is signed, so that it counts as delivered."""
        reply = _answer(await self._run(action, body, caller))
        signature = self.sign_delivery(escrow_id, reply.content.data) if escrow_id else None
        return reply, signature

    def sign_delivery(self, escrow_id: str, data: Any) -> str:
        """EIP-712 `Submission` of MeshEscrow over the canonical hash of `data`."""
        domain = {
            "name": "MeshEscrow",
            "version": "1",
            "chainId": self.contracts.chain_id,
            "verifyingContract": self.contracts.address("MeshEscrow"),
        }
        message = {"escrowId": bytes.fromhex(escrow_id.removeprefix("0x")), "resultHash": json_hash(data)}
        return self.wallet.sign_typed_data(domain, SUBMISSION, message).signature.to_0x_hex()

    async def _run(self, action: Action, body: Any, caller: Principal) -> Invocation:
        runtime = Runtime(service=self, caller=caller)
        try:
            return await invoke(
                self.plugin, action, runtime, body.message, body.parameters, dict(body.context)
            )
        except MeshError as error:
            return Invocation(handled=True, replies=[failed(error.detail, code=error.code())])

    def _metadata(self) -> dict[str, Any]:
        described = metadata(self.plugin, self.endpoint)
        for tool in described["toolDefinitions"]:
            tool["price"] = str(self.offer.prices[tool["capability"]])
        return described

    def _authorize(self, proposal: dict[str, Any], described: dict[str, Any]) -> dict[str, Any]:
        """Signs the proposal. Raises `ValueError` when it is not what was asked for."""
        message, domain = proposal["registration"]["message"], proposal["registration"]["domain"]
        expected = {
            "owner": self.wallet.address,
            "ipfsHash": str(cid.of(canonical_json(described))),
            "stake": str(self.offer.stake_units),
        }
        if {name: str(message[name]) for name in expected} != expected:
            raise ValueError("the registry proposes to sign something else than was asked for")
        if domain["verifyingContract"] != self.contracts.address("AgentRegistry"):
            raise ValueError("the registry works with another contract than we pinned")
        authorization: dict[str, Any] = {
            "owner": self.wallet.address,
            "deadline": proposal["deadline"],
            "signature": self._sign(proposal["registration"]),
        }
        if proposal["permit"] is not None:
            permit = {
                "deadline": int(proposal["permit"]["message"]["deadline"]),
                "signature": self._sign(proposal["permit"]),
            }
            authorization["permit"] = permit
        return authorization

    def _sign(self, typed_data: dict[str, Any]) -> str:
        return self.wallet.sign_typed_data(full_message=typed_data).signature.to_0x_hex()


async def _posted(
    client: httpx.AsyncClient, url: str, body: dict[str, Any], auth: httpx.Auth
) -> dict[str, Any]:
    key = {"Idempotency-Key": json_hash(body).hex()}
    response = await client.post(url, json=body, headers=key, auth=auth, timeout=60)
    if response.is_error:
        raise RuntimeError(f"{url} answered {response.status_code}: {response.text}")
    return response.json()


def _answer(result: Invocation) -> ActionReply:
    last: Reply = (
        result.replies[-1] if result.replies else failed("Nothing to say to this.", code="not-handled")
    )
    return ActionReply(
        handled=result.handled,
        text=last.text,
        content=last.content,
        replies=result.replies,
        evaluations=result.evaluations,
    )


def create_app(agent: PaidAgent, client: httpx.AsyncClient) -> FastAPI:
    """The agent over HTTP: `POST /actions/{NAME}` for those with a token for this agent."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None, None]:
        await agent.register(client)
        yield
        await client.aclose()

    app = FastAPI(title=agent.offer.agent_id, lifespan=lifespan)

    @app.get("/registration")
    async def registration() -> dict[str, Any]:
        return agent.registration

    @app.post("/actions/{name}")
    async def act(
        name: str,
        body: dict[str, Any],
        response: Response,
        authorization: Annotated[str, Header()],
        idempotency_key: Annotated[str, Header(max_length=255)],
        x_escrow_id: Annotated[str | None, Header(pattern=r"^0x[0-9a-f]{64}$")] = None,
    ) -> ActionReply:
        caller = await _authenticated(agent.verifier, authorization)
        action, request = _request(agent.plugin, name, body)
        key = f"{caller.subject}:{name}:{idempotency_key}"
        reply, signature = await agent.answers.once(
            key, lambda: agent.act(action, request, caller, x_escrow_id)
        )
        if signature is not None:
            response.headers["X-Delivery-Signature"] = signature
        return reply

    return app


async def _authenticated(verifier: TokenVerifier, authorization: str) -> Principal:
    try:
        return await verifier.verify(authorization.removeprefix("Bearer "))
    except Unauthenticated as error:
        raise HTTPException(401, error.detail) from None


def _request(plugin: Plugin, name: str, body: dict[str, Any]) -> tuple[Action, BaseModel]:
    action = plugin.action(name)
    if action is None:
        raise HTTPException(404, "no such action")
    try:
        return action, request_model(action).model_validate(body)
    except ValidationError:
        raise HTTPException(422, "parameters do not fit the action's schema") from None


def options(description: str) -> argparse.ArgumentParser:
    """What every agent of this kind is told at start."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument(
        "--state-dir", type=Path, required=True, help="the wallet's key is made and kept here"
    )
    parser.add_argument("--api-key-file", type=Path, required=True, help="an API key of the mesh's gateway")
    parser.add_argument("--contracts-file", type=Path, required=True)
    parser.add_argument("--gateway-url", default="http://127.0.0.1:8374")
    parser.add_argument("--registry-url", default="http://127.0.0.1:8371")
    return parser


def serve(plugin: Plugin, offer: Offer, told: argparse.Namespace) -> None:
    """Registers the agent and serves it until the process is stopped."""
    told.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    client = http.client()
    endpoint = f"http://127.0.0.1:{told.port}"
    agent = PaidAgent(
        plugin=plugin,
        offer=offer,
        endpoint=endpoint,
        wallet=keys.load_or_create(told.state_dir / "wallet.key"),
        contracts=deployment.read(told.contracts_file),
        sessions=Sessions(client, told.gateway_url, told.api_key_file),
        verifier=TokenVerifier(
            RemoteKeys(client, f"{told.gateway_url}/.well-known/jwks.json"), frozenset({endpoint})
        ),
        registry_url=told.registry_url,
    )
    uvicorn.run(create_app(agent, client), host="127.0.0.1", port=told.port, log_level="warning")
