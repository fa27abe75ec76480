"""A node that takes a transaction and says nothing, takes it twice, or loses its receipts for a while."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import aiohttp
import orjson
import pytest
from fastapi import FastAPI, Request, Response
from mesh_shared.testing import served
from pydantic import SecretStr

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from chains import Chain
    from towns import Agent, Town

    from conftest import Calling

RUN: dict[str, Any] = {"task": "t", "requirements": [{"id": "a", "capability": "work"}]}
PRICE_UNITS = 1_000
SEND, RECEIPT = "eth_sendRawTransaction", "eth_getTransactionReceipt"


@dataclass(slots=True)
class Node:
    """Passes everything on to the real node, and does harm in the way that the test wants."""

    real_url: str
    harm: Callable[[Node, list[dict[str, Any]]], bool]
    """Told what was asked; true when the answer is to be lost."""
    is_repeating: bool = False
    harmed: int = 0
    asked: int = 0
    http: aiohttp.ClientSession = field(default_factory=aiohttp.ClientSession)

    async def answer(self, request: Request) -> Response:
        body = await request.body()
        read: Any = orjson.loads(body)
        calls = cast("list[dict[str, Any]]", read if isinstance(read, list) else [read])
        is_lost = self.harm(self, calls)
        said = await self._passed_on(body)
        if self.is_repeating and any(call["method"] == SEND for call in calls):
            said = await self._passed_on(body)
        if not is_lost:
            return Response(said, media_type="application/json")
        self.harmed += 1
        return Response(status_code=504)

    async def _passed_on(self, body: bytes) -> bytes:
        headers = {"Content-Type": "application/json"}
        async with self.http.post(self.real_url, data=body, headers=headers) as real:
            return await real.read()


def says_nothing(node: Node, calls: list[dict[str, Any]]) -> bool:
    """Every second broadcast is carried out and its answer lost."""
    if not any(call["method"] == SEND for call in calls):
        return False
    node.asked += 1
    return node.asked % 2 == 1


def takes_twice(node: Node, calls: list[dict[str, Any]]) -> bool:
    """Every broadcast is carried out twice, and the answer is that of the second."""
    node.is_repeating = True
    node.harmed += any(call["method"] == SEND for call in calls)
    return False


def loses_receipts(node: Node, calls: list[dict[str, Any]]) -> bool:
    """Of four looks for receipts three fail."""
    if not any(call["method"] == RECEIPT for call in calls):
        return False
    node.asked += 1
    return node.asked % 4 != 0


@asynccontextmanager
async def bad_node(chain: Chain, harm: Any) -> AsyncGenerator[tuple[Node, str]]:
    node, app = Node(chain.url, harm), FastAPI()
    app.add_route("/", node.answer, methods=["POST"])
    async with served(app) as url:
        yield node, url
    await node.http.close()


@pytest.mark.parametrize("harm", [says_nothing, takes_twice, loses_receipts])
async def test_whatever_the_node_does_with_a_transaction_the_money_moves_once(
    calling: Calling, town: Town, chain: Chain, payer: str, harm: Any
):
    called: list[str] = []

    async def work(request: Request, agent: Agent) -> Response:
        called.append(request.headers["idempotency-key"])
        return town.delivered(request, agent, "done")

    await town.move_in("worker", work, price=PRICE_UNITS)
    async with bad_node(chain, harm) as (node, url), calling(chain_rpc_url=SecretStr(url)) as caller:
        run = await asyncio.wait_for(caller.run(RUN), 60)

    assert node.harmed > 0
    assert (run["status"], len(called)) == ("succeeded", 1)
    assert await chain.units(town.agents["worker"].wallet.address) == PRICE_UNITS
    assert await chain.units(payer) == 1_000_000 - PRICE_UNITS
    assert await chain.ratings(town.agents["worker"].token_id) == (1, 100)
