"""A provider's own API: manifests, commands, condition and logs. It is a stranger, and dialled as one."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp
from mesh_shared import dial
from mesh_shared.errors import Unavailable
from pydantic import ValidationError

from mesh_deployer.adapters.akash import shell
from mesh_deployer.adapters.akash.signer import Signer
from mesh_deployer.adapters.akash.views import IdView, LeaseState, LineView
from mesh_deployer.adapters.reached import reached
from mesh_deployer.errors import ManifestRefused
from mesh_deployer.ports import LogLine, Output

MAX_BYTES = 256 * 1024
TIMEOUT_S = 20
QUIET_S = 10
"""A log that is not followed its provider closes after the last line (akash-network/provider, gateway/rest,
`wsLogWriter`); one that does not has ended when so long nothing comes."""
_REFUSALS = (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY)
_TAKEN = (HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT)
_PARTED = (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenancy:
    """A lease, and where its provider is met: its URI, the certificates that it has published."""

    id: IdView
    uri: str
    certificates: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ProviderGateway:
    """Providers, as whoever `signer` is.

    Every method raises `Unavailable` when the provider stalls, talks nonsense, or is not who the chain says.
    """

    signer: Signer
    allow_private: bool
    timeout_s: float = TIMEOUT_S
    quiet_s: float = QUIET_S

    async def send_manifests(self, tenancies: Iterable[Tenancy], manifest: Sequence[Any]) -> None:
        """To all at once; each gets all of it, as its hash is over all, and starts what is in its own lease.

        Raises what the first of them raises, when all have been asked.
        """
        sending = [self.send_manifest(tenancy, manifest) for tenancy in tenancies]
        for outcome in await asyncio.gather(*sending, return_exceptions=True):
            if outcome is not None:
                raise outcome

    async def send_manifest(self, tenancy: Tenancy, manifest: Sequence[Any]) -> None:
        """Gives it what to run. Raises `ManifestRefused`."""
        status, body = await self._ask(
            "PUT", tenancy, f"/deployment/{tenancy.id.dseq}/manifest", "send-manifest", manifest
        )
        if status in _REFUSALS:
            raise ManifestRefused(f"The provider refused: {body[:300].decode(errors='replace')}")
        if status not in _TAKEN:
            raise Unavailable("the provider")

    async def status(self, tenancy: Tenancy) -> LeaseState | None:
        """How the workload is; None when it knows none."""
        status, body = await self._ask("GET", tenancy, f"{tenancy.id.path}/status", "status")
        if status == HTTPStatus.NOT_FOUND:
            return None
        try:
            return LeaseState.model_validate_json(body if status == HTTPStatus.OK else b"")
        except ValidationError:
            raise Unavailable("the provider") from None

    async def logs(self, tenancy: Tenancy, *, tail: int, follow: bool) -> AsyncIterator[LogLine]:
        """What the workload writes."""
        query = {"follow": str(follow).lower(), "tail": str(tail)}
        quiet_s = None if follow else self.quiet_s
        with reached():
            async with self._socket(tenancy, "logs", query) as socket:
                with suppress(TimeoutError):
                    while (message := await socket.receive(quiet_s)).type not in _PARTED:
                        yield LineView.model_validate_json(message.data).line(tenancy.id.gseq)

    async def exec(self, tenancy: Tenancy, service: str, command: Sequence[str]) -> Output:
        """What `command` writes beside the first replica of `service`. Also raises `CommandRefused`."""
        query = shell.asked(service, command)
        with reached():
            async with (
                self._socket(tenancy, "shell", query) as socket,
                aclosing(_frames(socket)) as frames,
            ):
                return await shell.output(frames)

    @asynccontextmanager
    async def _socket(
        self, tenancy: Tenancy, verb: str, query: dict[str, str]
    ) -> AsyncGenerator[aiohttp.ClientWebSocketResponse, None]:
        async with (
            self._session() as session,
            session.ws_connect(
                f"{tenancy.uri}{tenancy.id.path}/{verb}",
                params=query,
                headers=self._headers(tenancy, verb),
                ssl=_trust(tenancy),
                max_msg_size=MAX_BYTES,
                timeout=shell.PARTING,
            ) as socket,
        ):
            yield socket

    async def _ask(
        self, method: str, tenancy: Tenancy, path: str, scope: str, body: Sequence[Any] | None = None
    ) -> tuple[int, bytes]:
        with reached():
            async with (
                self._session() as session,
                session.request(
                    method,
                    f"{tenancy.uri}{path}",
                    json=body,
                    headers=self._headers(tenancy, scope),
                    ssl=_trust(tenancy),
                    allow_redirects=False,
                ) as response,
            ):
                return response.status, await _bounded(response)

    def _session(self) -> aiohttp.ClientSession:
        return dial.session(allow_private=self.allow_private, timeout_s=self.timeout_s)

    def _headers(self, tenancy: Tenancy, scope: str) -> dict[str, str]:
        """The least that the call needs, at this provider, for some minutes."""
        return {"Authorization": f"Bearer {self.signer.token(tenancy.id.provider, [scope])}"}


def _trust(tenancy: Tenancy) -> ssl.SSLContext:
    """Exactly the certificates that the provider has on the chain; one without any must have a public one."""
    if not tenancy.certificates:
        return ssl.create_default_context()
    pinned = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    pinned.check_hostname = False  # its subject is the provider's address on the chain, not a host
    pinned.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    for certificate in tenancy.certificates:
        pinned.load_verify_locations(cadata=certificate.decode("ascii"))
    return pinned


async def _frames(socket: aiohttp.ClientWebSocketResponse) -> AsyncGenerator[bytes, None]:
    """What a shell says; texts say nothing there."""
    async for message in socket:
        if message.type is aiohttp.WSMsgType.BINARY:
            yield message.data


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    """The body. Raises `ValueError` when it is too long."""
    body = bytearray()
    async for part in response.content.iter_any():
        body += part
        if len(body) > MAX_BYTES:
            raise ValueError("too long")
    return bytes(body)
