"""Checkpoints of the audit are put on a chain, and a record is held to them."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from mesh_cli.audit import NotProved, anchored, verify
from mesh_security_gateway.service.anchoring import Anchoring
from mesh_shared.chain.keys import load_or_create
from pydantic import SecretStr

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import MakeApp, Operator

NOBODY = "0x" + "11" * 20


async def anchors(operator: Operator) -> list[dict[str, Any]]:
    return (await operator.read("/v1/audit/anchors"))["items"]


async def mined(operator: Operator) -> dict[str, Any]:
    """The newest anchor that is on the chain."""
    async with asyncio.timeout(60):
        while True:
            for anchor in await anchors(operator):
                if anchor["block_number"] is not None:
                    return anchor
            await asyncio.sleep(0.05)


def fund(rpc_url: str, key_file: Path) -> None:
    account = load_or_create(key_file)
    call = {"jsonrpc": "2.0", "id": 1, "method": "anvil_setBalance", "params": [account.address, hex(10**18)]}
    httpx.post(rpc_url, json=call).raise_for_status()


async def test_a_checkpoint_goes_to_the_chain_as_it_was_signed_and_the_record_is_held_to_it(
    make_app: MakeApp, operate: Any, anvil_url: str, tmp_path: Path
):
    key_file = tmp_path / "anchor.key"
    fund(anvil_url, key_file)
    app = make_app(anchor_rpc_url=SecretStr(anvil_url), anchor_s=0.05, anchor_key_file=key_file)
    async with operate(app) as operator:
        known, anchor = await operator.audit_key(), await mined(operator)
        await operator.connect("https://api.github.com", allow_private=False)
        export = (await operator.get("/v1/audit/export")).content

    noted = await asyncio.to_thread(anchored, anvil_url, anchor["transaction_hash"])

    assert noted == anchor["note"]
    assert known.opened(noted).size == anchor["size"]
    assert verify(io.BytesIO(export), known, [known.opened(noted)]).size > anchor["size"]


async def test_a_record_is_anchored_once_and_again_when_it_has_grown(operator_everywhere: Operator):
    operator = operator_everywhere
    trail = operator.app.state.service.trail
    anchoring = Anchoring(trail=trail, database=trail.database, address=NOBODY, every_s=0)

    await anchoring.anchor()
    await anchoring.anchor()
    await operator.connect("https://api.github.com", allow_private=False)
    await anchoring.anchor()

    newest = await operator.read("/v1/audit/anchors", limit=1)
    older = await operator.read("/v1/audit/anchors", limit=5, cursor=newest["next_cursor"])
    sizes = [anchor["size"] for anchor in newest["items"] + older["items"]]
    assert len(sizes) == 2
    assert sizes[0] > sizes[1]
    assert {anchor["status"] for anchor in newest["items"] + older["items"]} == {"waiting"}


async def test_while_the_chain_is_away_checkpoints_wait_and_nothing_else_does(
    make_app: MakeApp, operate: Any, unused_tcp_port: int
):
    nowhere = SecretStr(f"http://127.0.0.1:{unused_tcp_port}")
    async with operate(make_app(anchor_rpc_url=nowhere, anchor_s=0.05)) as operator:
        async with asyncio.timeout(60):
            while not (waiting := await anchors(operator)):
                await asyncio.sleep(0.05)

        ready = await operator.get("/readyz")

    assert (waiting[-1]["status"], waiting[-1]["transaction_hash"]) == ("waiting", None)
    assert ready.status_code == 200


async def test_without_a_chain_there_are_no_anchors(operator: Operator):
    assert await anchors(operator) == []


@pytest.mark.parametrize("transaction", ["0x" + "00" * 32, "no hash"])
async def test_what_the_chain_does_not_have_proves_nothing(anvil_url: str, transaction: str):
    with pytest.raises(NotProved):
        await asyncio.to_thread(anchored, anvil_url, transaction)
