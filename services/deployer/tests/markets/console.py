"""The Console as its OpenAPI has it, over the ledger of the present line: it signs, and gives numbers.

It stands behind what the security gateway shows of a connection: a session in, the Console's key out. What
it is asked and what it answers is held against the schemas of the Console itself.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

from akash import OWNER, PROVIDERS
from arenas import DEPOSIT
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from hosts import MANIFEST_TIMEOUT, UNSTABLE
from jsonschema import Draft202012Validator
from mesh_deployer.adapters.akash.wire import PRESENT, Coin, Message
from mesh_deployer.adapters.console.api import NAME
from mesh_deployer.domain.manifest import canonical, group_specs
from mesh_deployer.domain.sdl import compile_sdl
from present import Bid, Fields, Ledger, Node
from present import Fault as Refusal
from proxy import Proxy

SPEC: Fields = json.loads((Path(__file__).parents[1] / "vectors" / "console.json").read_text())
PREFIX = f"/v1/proxy/{NAME}"
SESSION = "Bearer the-deployers-session"
FAULT = "console-fault"
"""Attribute of an order in which a test says what goes wrong with it."""
PRICES = dict(zip((signer.address for signer in PROVIDERS), ("7.25", "9.5"), strict=True))
ME = dict.fromkeys(("id", "userId", "username", "email"), "x") | {
    "emailVerified": True,
    "subscribedToNewsletter": False,
}
EMPTY: Fields = {"owner": OWNER.address, "state": "open", "transferred": [], "settled_at": "1", "funds": []}
EMPTY_OF: Fields = {"string": "", "number": 0, "boolean": False, "array": []}
COUNTS = ("observed_generation", "replicas", "updated_replicas", "ready_replicas", "available_replicas")
Handler = Callable[[Request, Fields], Any]


class Fault(Exception):
    """An answer other than the one that was asked for."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


@dataclass(frozen=True)
class Broken:
    """Another answer than the Console's; where it `acts`, what was asked for is done all the same."""

    status: int = 200
    body: Any = None
    acts: bool = False
    stalls: bool = False
    by_gateway: str = ""

    @property
    def answer(self) -> JSONResponse:
        headers = {"X-Mesh-Gateway-Error": self.by_gateway} if self.by_gateway else None
        return JSONResponse(self.body, self.status, headers=headers)


@dataclass
class ConsoleServer:
    """`broken` has what becomes of the next call of an operation, named as in the schemas."""

    ledger: Ledger = field(default_factory=Ledger)
    manifests: dict[int, list[Any]] = field(default_factory=dict[int, list[Any]])
    faults: dict[int, str] = field(default_factory=dict[int, str])
    poor: set[int] = field(default_factory=set[int])
    happened: set[str] = field(default_factory=set[str])
    updated: set[int] = field(default_factory=set[int])
    broken: dict[str, Broken] = field(default_factory=dict[str, Broken])
    session: str = SESSION
    """How the header of a session begins."""
    asked: list[str] = field(default_factory=list[str])
    last: int = 0

    def __post_init__(self) -> None:
        self.proxy = Proxy(SPEC["provider-proxy"]["request"], self.manifests)
        said = [{"key": "region", "value": "local"}]
        for address in PRICES:
            known = {"owner": address, "host_uri": f"https://{address}.test:8443", "attributes": said}
            self.ledger.providers[address] = known

    @property
    def app(self) -> FastAPI:
        app = FastAPI()
        handlers: dict[str, Handler] = {
            "GET /v1/user/me": lambda request, given: {"data": ME},
            "GET /v1/deployments": self._list,
            "POST /v1/deployments": self._create,
            "GET /v1/deployments/{dseq}": self._get,
            "PUT /v1/deployments/{dseq}": self._update,
            "DELETE /v1/deployments/{dseq}": self._close,
            "GET /v1/bids": self._bids,
            "POST /v1/leases": self._lease,
            "POST /v1/deposit-deployment": self._deposit,
            "GET /v1/providers": self._providers,
            "POST /v1/create-jwt-token": self._token,
        }
        for operation, handler in handlers.items():
            method, path = operation.split()
            answer = self._answering(operation, handler)
            app.add_api_route(f"{PREFIX}{path}", answer, methods=[method], response_model=None)
        return app

    def _answering(self, operation: str, handler: Handler) -> Callable[[Request], Awaitable[JSONResponse]]:
        async def answer(request: Request) -> JSONResponse:
            self.asked.append(operation)
            if not request.headers.get("authorization", "").startswith(self.session):
                return Broken(401, {"code": "unauthenticated"}, by_gateway="unauthenticated").answer
            broken = self.broken.pop(operation, None)
            said = await self._handled(operation, handler, request) if not broken or broken.acts else None
            if broken and broken.stalls:
                await asyncio.Event().wait()
            return broken.answer if broken else said or JSONResponse(None)

        return answer

    async def _handled(self, operation: str, handler: Handler, request: Request) -> JSONResponse:
        spec, body = SPEC[operation], await request.body()
        given = json.loads(body) if body else {}
        if "request" in spec:
            Draft202012Validator(spec["request"]).validate(given)
        assert set(request.query_params) <= set(spec.get("parameters", []))
        self.ledger.height += 1
        try:
            said = handler(request, given)
        except Fault as fault:
            return JSONResponse({"error": "Error", "message": fault.message}, fault.status)
        form = spec["answer"]
        Draft202012Validator(SPEC[form]["answer"] if isinstance(form, str) else form).validate(said)
        return JSONResponse(said, spec["status"])

    def _create(self, request: Request, given: Fields) -> Fields:
        compilation = compile_sdl(given["data"]["sdl"])
        groups, uact = compilation.groups, round(given["data"]["deposit"] * 1_000_000)
        if not compilation.ok:
            raise Fault(400, "Invalid SDL")
        if uact > 10 * DEPOSIT:
            raise Fault(402, "Insufficient balance")
        dseq = self.last = max(time.time_ns() // 1_000_000, self.last + 1)
        if uact < DEPOSIT:
            self.poor.add(dseq)
        fault = dict(groups[0].attributes or ()).get(FAULT, "")
        if fault not in self.happened:
            self.faults[dseq] = fault
        version, coin = compilation.version_hash or "", Coin("uact", uact)
        self._do(PRESENT.create_deployment(OWNER.address, dseq, group_specs(groups), version, coin))
        signed = {"code": 0, "transactionHash": "A" * 64, "rawLog": ""}
        return {"data": {"dseq": str(dseq), "manifest": canonical(groups), "signTx": signed}}

    def _list(self, request: Request, given: Fields) -> Fields:
        skip, limit = (int(request.query_params[name]) for name in ("skip", "limit"))
        newest = sorted(self._known(), key=lambda item: -int(item["deployment"]["id"]["dseq"]))
        shown = [self._shown(item) for item in newest[skip : skip + limit]]
        pages = {"total": len(newest), "skip": skip, "limit": limit, "hasMore": skip + limit < len(newest)}
        return {"data": {"deployments": shown, "pagination": pages}}

    def _get(self, request: Request, given: Fields) -> Fields:
        dseq = int(request.path_params["dseq"])
        found = self._found(dseq)
        if dseq in self.poor & self.updated and found["deployment"]["state"] == "active":
            self._do(PRESENT.withdraw_lease(_ids(self.leases(dseq)[-1])))
        return {"data": self.shown(dseq)}

    def _update(self, request: Request, given: Fields) -> Fields:
        dseq, compilation = int(request.path_params["dseq"]), compile_sdl(given["data"]["sdl"])
        version = compilation.version_hash or ""
        if self._found(dseq)["deployment"]["hash"] != _encoded(version):
            self._do(PRESENT.update_deployment(OWNER.address, dseq, version))
        self._give(dseq, canonical(compilation.groups))
        self.updated.add(dseq)
        if self.happens(dseq, "reclaim"):
            self._do(PRESENT.close_bid(_ids(self.leases(dseq)[0]), UNSTABLE))
        return {"data": self.shown(dseq)}

    def _close(self, request: Request, given: Fields) -> Fields:
        dseq = int(request.path_params["dseq"])
        if self._found(dseq)["deployment"]["state"] != "closed":
            self._do(PRESENT.close_deployment(OWNER.address, dseq))
        return {"data": {"success": True}}

    def _bids(self, request: Request, given: Fields) -> Fields:
        dseq = int(request.query_params["dseq"])
        refused = self.faults.get(dseq, "")
        for (owner, of, gseq, oseq), state in self.ledger.orders.items():
            if of == dseq and state == "open" and refused not in ("no-bids", f"no-bids {gseq}"):
                for address, price in PRICES.items():
                    self.ledger.bids.setdefault((owner, dseq, gseq, oseq, address), Bid(Decimal(price)))
        return {"data": self.bids_of(dseq)}

    def bids_of(self, dseq: int) -> list[Fields]:
        """The bids for a deployment as they are shown."""
        bids = [item["bid"] for item in Node(self.ledger)._bids() if item["bid"]["id"]["dseq"] == str(dseq)]
        escrow = {"id": {"scope": "bid", "xid": "x"}, "state": EMPTY | {"deposits": []}}
        more = {"created_at": "1", "resources_offer": []}
        return [{"bid": bid | more, "escrow_account": escrow} for bid in bids]

    def _lease(self, request: Request, given: Fields) -> Fields:
        wanted: list[Fields] = given["leases"]
        dseq = int(wanted[0]["dseq"])
        if all(lease["state"] == "closed" for lease in self.leases(dseq)):
            bids = [{"owner": OWNER.address} | lease | {"dseq": dseq} for lease in wanted]
            self._do(*map(PRESENT.create_lease, bids))
        self._give(dseq, given["manifest"])
        return {"data": self.shown(dseq)}

    def _deposit(self, request: Request, given: Fields) -> Fields:
        dseq, amount = int(given["data"]["dseq"]), round(given["data"]["deposit"] * 1_000_000)
        self._do(PRESENT.deposit(OWNER.address, dseq, Coin("uact", amount)))
        return {"data": self.shown(dseq)}

    def _providers(self, request: Request, given: Fields) -> list[Fields]:
        wanted = request.query_params.get("addresses", ",".join(PRICES)).split(",")
        return [item for item in self.providers() if item["owner"] in wanted]

    def _token(self, request: Request, given: Fields) -> Fields:
        (access,) = given["data"]["leases"]["permissions"]
        return {"data": {"token": OWNER.token(access["provider"], access["scope"])}}

    def providers(self) -> list[Fields]:
        """All that there are, as they are shown."""
        return [_provider(item) for item in self.ledger.providers.values()]

    def _do(self, *messages: Message) -> None:
        """One transaction: all of them or none."""
        ledger = copy.deepcopy(self.ledger)
        try:
            for message in messages:
                ledger.apply(message.type_url, message.value)
        except Refusal as refusal:
            raise Fault(400, str(refusal)) from None
        self.ledger = ledger

    def _known(self) -> list[Fields]:
        return Node(self.ledger)._deployments()

    def _found(self, dseq: int) -> Fields:
        for item in self._known():
            if item["deployment"]["id"]["dseq"] == str(dseq):
                return item
        raise Fault(404, "Deployment not found")

    def shown(self, dseq: int) -> Fields:
        """A deployment as it is shown."""
        return self._shown(self._found(dseq))

    def _shown(self, found: Fields) -> Fields:
        account, dseq = found["escrow_account"], int(found["deployment"]["id"]["dseq"])
        escrow = {"scope": "deployment", "xid": account["id"]["xid"]}
        leases = [lease | {"status": self._status(dseq, lease)} for lease in self.leases(dseq)]
        return {
            "deployment": found["deployment"] | {"created_at": "1"},
            "leases": leases,
            "escrow_account": {"id": escrow, "state": EMPTY | account["state"] | {"deposits": []}},
        }

    def leases(self, dseq: int) -> list[Fields]:
        leases = [item["lease"] for item in Node(self.ledger)._leases()]
        return [
            lease | {name: str(lease[name]) for name in ("created_at", "closed_on")}
            for lease in leases
            if lease["id"]["dseq"] == str(dseq)
        ]

    def _status(self, dseq: int, lease: Fields) -> Fields | None:
        if lease["state"] != "active" or dseq not in self.manifests:
            return None
        services = {
            name: {"name": name, "available": count, "total": count, "uris": [f"{name}.{dseq}.test"]}
            | dict.fromkeys(COUNTS, count)
            for name, count in (
                (s["name"], s["count"])
                for s in self.manifests[dseq][int(lease["id"]["gseq"]) - 1]["services"]
            )
        }
        return {"services": services, "forwarded_ports": {}, "ips": {}}

    def _give(self, dseq: int, manifest: str) -> None:
        """Its provider gets the manifest, and may do something else."""
        leases = [lease for lease in self.leases(dseq) if lease["state"] == "active"]
        if not leases:
            raise Fault(404, "no lease for deployment")
        if self.happens(dseq, "manifest-timeout"):
            self._do(PRESENT.close_bid(_ids(leases[-1]), MANIFEST_TIMEOUT))
            raise Fault(404, "no lease for deployment")
        if self._found(dseq)["deployment"]["hash"] != _encoded(sha256(manifest.encode()).hexdigest()):
            raise Fault(422, "manifest version validation failed")
        self.manifests[dseq] = json.loads(manifest)

    def happens(self, dseq: int, fault: str) -> bool:
        """True the first time, also when an order has several deployments."""
        happens = self.faults.get(dseq) == fault and fault not in self.happened
        self.happened |= {fault} if happens else set()
        return happens

    def withdraw(self, dseq: int, provider: str) -> None:
        """A provider takes its bid back."""
        self.ledger.bids[OWNER.address, dseq, 1, 1, provider].state = "closed"


def _ids(lease: Fields) -> Fields:
    return {n: int(v) if n == "dseq" else v for n, v in lease["id"].items() if n != "bseq"}


def _encoded(version: str) -> str:
    return base64.b64encode(bytes.fromhex(version)).decode()


def _provider(item: Fields) -> Fields:
    form = SPEC["GET /v1/providers"]["answer"]["items"]
    kinds = {name: form["properties"][name]["type"] for name in form["required"]}
    empty = {name: None if isinstance(kind, list) else EMPTY_OF[kind] for name, kind in kinds.items()}
    attributes = [pair | {"auditedBy": []} for pair in item["attributes"]]
    known = {"owner": item["owner"], "hostUri": item["host_uri"], "attributes": attributes}
    return empty | known | {"isOnline": True, "uptime30d": 0.98765, "leaseCount": 12}
