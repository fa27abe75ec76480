"""Small Akash providers: each bids for orders on the chain, and serves its tenants over TLS.

What they do is what Akash's provider does (provider/gateway/rest, provider/bidengine), without a cluster.
"""

import asyncio
import base64
import json
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

from aiohttp import web
from coincurve import PublicKey
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from mesh_deployer.adapters.akash.chain import Chain, Overtaken, Refused
from mesh_deployer.adapters.akash.wire import Coin, Message
from mesh_shared.errors import Unavailable

Order = tuple[int, int, int]
STDOUT, STDERR, RESULT, FAILURE = 100, 101, 102, 103
"""The first byte of what a shell says (LeaseShellCode)."""
UNSTABLE, MANIFEST_TIMEOUT = 10000, 10003
"""Reasons of akash.market.v1; the line of 2024 has no field for them."""
GPU = "vendor/nvidia/model/rtx4090"
PEM_PUBLIC = b"EC PUBLIC KEY"
"""What Akash calls it (cert/v1beta3/cert.go); others say PUBLIC KEY."""


@dataclass(frozen=True)
class Certificate:
    """A self-signed one whose subject is an account."""

    certificate: bytes
    public_key: bytes
    private_key: bytes

    @classmethod
    def of(cls, address: str) -> "Certificate":
        key = ec.generate_private_key(ec.SECP256R1())
        name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, address)]), datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=1))
            .not_valid_after(now + timedelta(days=1))
            .sign(key, hashes.SHA256())
        )
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        private = key.private_bytes(
            Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return cls(certificate.public_bytes(Encoding.PEM), public.replace(b"PUBLIC KEY", PEM_PUBLIC), private)

    def server(self, folder: Path) -> ssl.SSLContext:
        """For a server that shows it."""
        for name, text in (("cert.pem", self.certificate), ("key.pem", self.private_key)):
            (folder / name).write_bytes(text)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        return context


@dataclass
class World:
    """What tests and providers agree on: what goes wrong with an order, and who is asked for pay at once.

    Where there is a `party`, nobody takes a manifest or says how a lease is before as many have been asked.
    """

    faults: dict[int, str] = field(default_factory=dict[int, str])
    poor: set[int] = field(default_factory=set[int])
    party: asyncio.Barrier | None = None

    def has(self, dseq: int, fault: str) -> bool:
        """True the first time."""
        return self.faults.get(dseq) == fault and bool(self.faults.pop(dseq))


@dataclass
class Host:
    """A provider for one account: `owner` is its address, `tenant` the key that signs its tokens.

    `bidden` are the orders for which it bid, each with the numbers of deployment, placement and order.
    """

    chain: Chain
    port: int
    price: Decimal
    certificate: Certificate
    owner: str
    tenant: bytes
    world: World
    manifests: dict[int, list[Any]] = field(default_factory=dict[int, list[Any]])
    bidden: set[Order] = field(default_factory=set[Order])

    @property
    def address(self) -> str:
        return self.chain.signer.address

    async def register(self) -> None:
        """Declares itself and its certificate on the chain."""
        profile = self.chain.profile
        said = {"region": "local", "host": "akash", f"capabilities/gpu/{GPU}": "true"}
        await self.chain.send(
            profile.create_provider(self.address, f"https://127.0.0.1:{self.port}", said),
            profile.create_certificate(
                self.address, self.certificate.certificate, self.certificate.public_key
            ),
        )

    @asynccontextmanager
    async def working(self, folder: Path) -> AsyncGenerator[None, None]:
        """Bids and serves while the block lasts."""
        app = web.Application()
        app.router.add_put("/deployment/{dseq}/manifest", self._take)
        app.router.add_get("/lease/{dseq}/{gseq}/{oseq}/status", self._status)
        app.router.add_get("/lease/{dseq}/{gseq}/{oseq}/logs", self._logs)
        app.router.add_get("/lease/{dseq}/{gseq}/{oseq}/shell", self._shell)
        folder.mkdir(exist_ok=True)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port, ssl_context=self.certificate.server(folder)).start()
        bidding = asyncio.create_task(self._bid())
        try:
            yield
        finally:
            bidding.cancel()
            await asyncio.gather(bidding, return_exceptions=True)
            await runner.cleanup()

    async def withdraw_bid(self, order: Order, reason: int = 0) -> None:
        """Takes a bid, or the lease that came of it, back."""
        await self._insist(self.chain.profile.close_bid(self._mine(order), reason))

    async def _bid(self) -> None:
        while True:
            try:
                await self._look()
            except Unavailable:
                await asyncio.sleep(0.1)
            await asyncio.sleep(0.05)

    async def _look(self) -> None:
        query = {"filters.state": "open", "pagination.limit": 1000}
        path = f"{self.chain.url}/akash/market/{self.chain.profile.market}/orders/list"
        orders = (await self.chain.http.get(path, params=query)).json()["orders"]
        for order in orders:
            dseq, gseq, oseq = (int(_id(order)[part]) for part in ("dseq", "gseq", "oseq"))
            is_wanted = self.world.faults.get(dseq) not in ("no-bids", f"no-bids {gseq}")
            if is_wanted and (dseq, gseq, oseq) not in self.bidden:
                self.bidden.add((dseq, gseq, oseq))
                bid = self._mine((dseq, gseq, oseq))
                units = [_offered(unit) for unit in order["spec"]["resources"]]
                await self._insist(self.chain.profile.create_bid(bid, self.price, Coin("uact", 1), units))
        for dseq in self.world.poor.intersection(self.manifests):
            await self._insist(self.chain.profile.withdraw_lease(self._mine((dseq, 1, 1))))

    async def _insist(self, message: Message) -> None:
        """As often as somebody else's transaction is in the way; a refusal is what a provider lives with."""
        while True:
            try:
                await self.chain.send(message)
            except Overtaken:
                await asyncio.sleep(0.1)
            except Refused:
                return
            else:
                return

    def _mine(self, order: Order) -> dict[str, Any]:
        numbers = dict(zip(("dseq", "gseq", "oseq"), order, strict=True))
        return {"owner": self.owner, **numbers, "provider": self.address}

    async def _take(self, request: web.Request) -> web.Response:
        if refusal := self._refusal(request, "send-manifest"):
            return refusal
        dseq, body = int(request.match_info["dseq"]), await request.json()
        if self.world.has(dseq, "manifest-timeout"):
            await self.withdraw_bid((dseq, 1, 1), MANIFEST_TIMEOUT)
            return web.Response(status=404, text="no lease for deployment")
        if await self._version(dseq) != _version(body):
            return web.Response(status=422, text="manifest version validation failed")
        await self._together()
        self.manifests[dseq] = body
        if self.world.has(dseq, "reclaim"):
            await self.withdraw_bid((dseq, 1, 1), UNSTABLE)
        return web.Response(status=200)

    async def _version(self, dseq: int) -> bytes:
        query = {"filters.owner": self.owner, "filters.dseq": dseq}
        path = f"{self.chain.url}/akash/deployment/{self.chain.profile.deployment}/deployments/list"
        (found,) = (await self.chain.http.get(path, params=query)).json()["deployments"]
        return base64.b64decode(found["deployment"].get("version") or found["deployment"]["hash"])

    async def _status(self, request: web.Request) -> web.Response:
        if refusal := self._refusal(request, "status"):
            return refusal
        await self._together()
        manifest = self.manifests.get(int(request.match_info["dseq"]))
        if manifest is None:
            return web.Response(status=404)
        services = {
            service["name"]: {
                "name": service["name"],
                "available": service["count"],
                "total": service["count"],
                "uris": [f"{service['name']}.{self.address}.test"],
            }
            for service in manifest[int(request.match_info["gseq"]) - 1]["services"]
        }
        return web.json_response({"services": services, "forwarded_ports": {}, "ips": None})

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        if refusal := self._refusal(request, "logs"):
            return refusal
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        manifest = self.manifests.get(int(request.match_info["dseq"]))
        group = manifest[int(request.match_info["gseq"]) - 1] if manifest else {"services": []}
        for service in group["services"]:
            pod = f"{service['name']}-5f6d7c8b9-x7k2p"
            await socket.send_str(json.dumps({"name": pod, "message": f"{service['env']}"}))
        await socket.close()
        return socket

    async def _shell(self, request: web.Request) -> web.StreamResponse:
        if refusal := self._refusal(request, "shell"):
            return refusal
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        group = self.manifests[int(request.match_info["dseq"])][int(request.match_info["gseq"]) - 1]
        async for code, part in ran(group["services"], request.query):
            await socket.send_bytes(bytes([code]) + part)
        await socket.close()
        return socket

    async def _together(self) -> None:
        if self.world.party is not None:
            await self.world.party.wait()

    def _refusal(self, request: web.Request, scope: str) -> web.Response | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        granted = scheme == "Bearer" and scope in granted_scopes(token, self.tenant, self.address)
        return None if granted else web.Response(status=401, text="unauthorized access")


async def ran(services: Sequence[Any], query: Mapping[str, str]) -> AsyncIterator[tuple[int, bytes]]:
    """What a command of a shell's query says: output, and then how it ended."""
    service = next(service for service in services if service["name"] == query["service"])
    env = dict(entry.split("=", 1) for entry in service["env"] or ())
    process = await asyncio.create_subprocess_exec(
        *(query[f"cmd{number}"] for number in range(len(query) - 4)),
        env={"PATH": "/usr/bin:/bin"} | env,
        stdout=asyncio.subprocess.PIPE,
    )
    stdout, _ = await process.communicate()
    yield STDOUT, stdout
    yield RESULT, json.dumps({"exit_code": process.returncode}).encode()


def granted_scopes(token: str, tenant: bytes, provider: str) -> Sequence[str]:
    """What a token of `tenant` lets it do at `provider` now; nothing when it is not its token."""
    head, claims, signature = token.split(".")
    says: Mapping[str, Any] = json.loads(_decoded(claims))
    if json.loads(_decoded(head))["alg"] != "ES256K" or not says["nbf"] <= time.time() < says["exp"]:
        return ()
    if not PublicKey(tenant).verify(der(_decoded(signature)), f"{head}.{claims}".encode()):
        return ()
    return next(p["scope"] for p in says["leases"]["permissions"] if p["provider"] == provider)


def _decoded(segment: str) -> bytes:
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def der(signature: bytes) -> bytes:
    """r and s as libsecp256k1 reads them."""
    numbers = [int.from_bytes(half) for half in (signature[:32], signature[32:])]
    raw = [number.to_bytes(number.bit_length() // 8 + 1) for number in numbers]
    parts = b"".join(b"\x02" + bytes([len(part)]) + part for part in raw)
    return b"\x30" + bytes([len(parts)]) + parts


def _version(manifest: Any) -> bytes:
    """Akash's hash of a manifest, written down a second time."""
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return sha256(text.encode()).digest()


def _id(order: Any) -> dict[str, Any]:
    return order.get("id") or order["order_id"]


def _offered(unit: Any) -> dict[str, Any]:
    """What an order asks for, as we write it: the chain says `quantity` where a manifest says `size`."""
    asked = unit["resource"]
    kinds = {"SHARED_HTTP": 0, "RANDOM_PORT": 1, "LEASED_IP": 2}
    resource = asked | {
        "memory": asked["memory"] | {"size": asked["memory"]["quantity"]},
        "storage": [volume | {"size": volume["quantity"]} for volume in asked["storage"]],
        "endpoints": [endpoint | {"kind": kinds[endpoint["kind"]]} for endpoint in asked["endpoints"]],
    }
    return {"resource": resource, "count": unit["count"]}
