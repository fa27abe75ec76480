"""Where the story plays: a running mesh, the admin's way into it, a voice, and what was measured."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx
from mesh_shared import http
from mesh_shared.auth.session import Sessions
from mesh_shared.chain import deployment
from mesh_shared.chain.abi import Function
from mesh_shared.chain.deployment import Deployment
from mesh_shared.chain.rpc import Rpc
from rich.console import Console
from rich.table import Table

from mesh_cli.embedded import EmbeddedMesh
from mesh_cli.parts import CHAIN_ID

TIMEOUT_S = 40.0
PAUSE_S = 0.05
BALANCE_OF = Function("balanceOf", ["address"], ["uint256"])

AnswerT = TypeVar("AnswerT")


class BrokenPromise(RuntimeError):
    """The mesh did not do what it promises; the text says what was expected and what came."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service answered: its JSON, or its bytes where it is none."""

    status: int
    body: Any
    headers: httpx.Headers
    ms: float


@dataclass(slots=True)
class Stage:
    """Talks to the services as the admin, says what came of it, and keeps the figures."""

    mesh: EmbeddedMesh
    console: Console
    http: httpx.AsyncClient
    sessions: Sessions
    rpc: Rpc
    contracts: Deployment
    patience_s: float = 20
    """How long something may take that is promised to happen."""
    figures: dict[str, Any] = field(default_factory=dict[str, Any])

    def chapter(self, name: str, title: str) -> dict[str, Any]:
        """Opens a chapter; returns the place of its figures."""
        self.console.print(f"\n[bold]{len(self.figures) + 1}. {title}[/]")
        return self.figures.setdefault(name, {})

    def say(self, text: str, ms: float | None = None) -> None:
        """One promise that was kept."""
        took = "" if ms is None else f" [dim]({ms:.0f} ms)[/]"
        self.console.print(f"   [green]ok[/] {text}{took}", highlight=False, soft_wrap=True)

    def show(self, text: str) -> None:
        """Something to look at, exactly as it is."""
        for line in text.rstrip().splitlines():
            self.console.print(f"      {line}", markup=False, highlight=False, soft_wrap=True)

    def table(self, *columns: str) -> Table:
        """An empty table in the style of the story."""
        return Table(*columns, box=None, padding=(0, 2, 0, 0), header_style="dim")

    def draw(self, table: Table) -> None:
        """Shows a table, indented like everything that is to be looked at."""
        with self.console.capture() as drawn:
            self.console.print(table)
        self.show(drawn.get())

    async def ask(self, method: str, service: str, path: str, *, key: str = "", **options: Any) -> Answer:
        """One call of a service as the admin. Raises `BrokenPromise` with the problem for a refusal."""
        headers = {"Idempotency-Key": key} if key else {}
        headers |= options.pop("headers", {})
        started = time.perf_counter()
        response = await self.http.request(
            method,
            f"{self.mesh.url(service)}{path}",
            headers=headers,
            auth=self.sessions.auth(service),
            timeout=TIMEOUT_S,
            **options,
        )
        ms = (time.perf_counter() - started) * 1000
        if response.is_error:
            raise BrokenPromise(
                f"{method} {path} of {service} answered {response.status_code}: {response.text}"
            )
        is_json = "json" in response.headers.get("content-type", "")
        body = response.json() if is_json else response.content
        return Answer(response.status_code, body, response.headers, ms)

    async def balance_units(self, account: str) -> int:
        """What the chain says that `account` holds, in base units of the test token."""
        (held,) = await self.rpc.call(self.contracts.address("MeshToken"), BALANCE_OF, account)
        return held

    async def until(self, what: str, look: Callable[[], Awaitable[AnswerT | None]]) -> AnswerT:
        """The first answer of `look` that is not None. Raises `BrokenPromise` after `patience_s`."""
        try:
            async with asyncio.timeout(self.patience_s):
                while (answer := await look()) is None:  # noqa: ASYNC110 - it happens in another process
                    await asyncio.sleep(PAUSE_S)
                return answer
        except TimeoutError:
            raise BrokenPromise(f"Waited {self.patience_s:g} s in vain: {what}.") from None


def promise(kept: bool, broken: str) -> None:
    """Goes on when `kept`. Raises `BrokenPromise` with the text `broken`."""
    if not kept:
        raise BrokenPromise(broken)


@asynccontextmanager
async def open_stage(mesh: EmbeddedMesh, console: Console) -> AsyncGenerator[Stage, None]:
    """A stage on a mesh that is ready."""
    rpc = Rpc(mesh.rpc_url, CHAIN_ID)
    async with http.client() as client:
        sessions = Sessions(client, mesh.url("security-gateway"), mesh.admin_key_file)
        try:
            yield Stage(mesh, console, client, sessions, rpc, deployment.read(mesh.contracts_file))
        finally:
            await rpc.close()
