"""The way to a node: whatever it answers, and whenever its caller gives up."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response
from mesh_cli import parts
from mesh_shared.chain.errors import ChainUnavailable, RpcError
from mesh_shared.chain.rpc import Rpc
from mesh_shared.testing import served


@pytest.fixture
async def rpc(anvil_url: str) -> AsyncIterator[Rpc]:
    rpc = Rpc(anvil_url, parts.CHAIN_ID)
    yield rpc
    await rpc.close()


async def answered(content: bytes | None, status: int = 200) -> Any:
    """What comes of one request to a node that answers `content`; it says its chain's id as it should."""
    app = FastAPI()

    @app.post("/")
    async def answer(request: Request) -> Response:
        asked = await request.json()
        if isinstance(asked, dict) and asked["method"] == "eth_chainId":
            return Response(b'{"jsonrpc":"2.0","id":0,"result":"0x7a69"}')
        return Response(content, status)

    async with served(app) as url:
        rpc = Rpc(url, parts.CHAIN_ID)
        try:
            return await rpc.batch([("first", []), ("second", [])])
        finally:
            await rpc.close()


async def test_callers_that_give_up_leave_the_others_unharmed(rpc: Rpc):
    async def hasty() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(random.random() * 0.004):  # noqa: S311 - any moment will do
                await rpc.block_number()

    for _ in range(20):
        await asyncio.gather(*(hasty() for _ in range(5)))

        async with asyncio.timeout(60):
            assert await rpc.block_number() >= 0


async def test_answers_of_a_batch_come_in_the_order_of_its_requests(rpc: Rpc):
    answers = await rpc.batch([("eth_chainId", []), ("no_such_method", []), ("eth_blockNumber", [])])

    assert answers[0] == "0x7a69"
    assert isinstance(answers[1], RpcError)
    assert int(answers[2], 16) >= 0


async def test_a_node_may_answer_a_batch_in_any_order():
    swapped = b'[{"id":1,"result":"b"},{"id":0,"result":"a"}]'

    assert await answered(swapped) == ["a", "b"]


async def test_an_empty_batch_asks_nothing():
    rpc = Rpc("http://127.0.0.1:1", parts.CHAIN_ID)

    assert await rpc.batch([]) == []


async def test_a_refusal_has_its_code_and_its_words(rpc: Rpc):
    with pytest.raises(RpcError) as refused:
        await rpc.request("no_such_method")

    assert refused.value.code == -32601
    assert "no_such_method" in str(refused.value).lower() or "not found" in str(refused.value).lower()


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 200),
        (b"<html>Bad gateway</html>", 200),
        (b"7", 200),
        (b'["a", "b"]', 200),
        (b'[{"id":0,"result":"a"}]', 200),
        (b'[{"id":0,"result":"a"},{"id":1}]', 200),
        (b'{"error":"no"}', 200),
        (b'[{"id":0,"result":"a"},{"id":1,"result":"b"}]', 500),
        (b"", 429),
    ],
)
async def test_an_answer_of_no_use_is_no_answer(content: bytes, status: int):
    with pytest.raises(ChainUnavailable):
        await answered(content, status)


async def test_a_batch_that_is_refused_as_a_whole_says_why():
    with pytest.raises(RpcError, match="-32005: too much"):
        await answered(b'{"id":null,"error":{"code":-32005,"message":"too much"}}')


async def test_nobody_there_is_said_at_once():
    rpc = Rpc(f"http://127.0.0.1:{parts.free_port()}", parts.CHAIN_ID)

    with pytest.raises(ChainUnavailable):
        await rpc.ping()

    await rpc.close()
