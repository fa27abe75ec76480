"""A registration whose transaction was replaced: the chain's own history says what became of it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from mesh_shared.chain.journal import State, TransactionRow
from sqlalchemy import select

if TYPE_CHECKING:
    from callers_of_registry import Body, Caller
    from unaided import Chain

NAME = "acme/replaced"


async def replace(caller: Caller, chain: Chain, operator: str) -> None:
    """Another transaction of the operator takes the nonce, and the sender has waited long enough."""
    database = caller.app.state.platform.database
    async with database.write() as session:
        row = (
            await session.scalars(select(TransactionRow).where(TransactionRow.state == State.BROADCAST))
        ).one()
        row.broadcast_at -= timedelta(hours=1)
        await chain.rpc.request("anvil_dropTransaction", row.hash)
        await chain.rpc.request("anvil_impersonateAccount", operator)
        other = {"from": operator, "to": operator, "nonce": hex(row.nonce), "gas": hex(21_000)}
        await chain.rpc.request("eth_sendTransaction", other)
        await chain.mine(1)


async def operation_when(caller: Caller, address: str, status: str) -> Body:
    return await caller.when(address, lambda operation: operation["status"] == status)


async def test_a_replaced_registration_is_unknown_until_it_has_failed_and_may_be_tried_again(
    caller_lite: Caller, chain: Chain, operator: str
):
    wish = caller_lite.wish(NAME)
    async with chain.holding():
        accepted = await caller_lite.register(wish, key="first")
        address = accepted.headers["Location"]
        await replace(caller_lite, chain, operator)
        await operation_when(caller_lite, address, "unknown")
        taken = await caller_lite.register(wish, key="too-early")
        await chain.mine(30)
        failed = await operation_when(caller_lite, address, "failed")

    again = await caller_lite.register(wish, key="again", wait="confirmed")

    assert taken.json()["operationId"] == accepted.json()["operationId"]
    assert failed["error"]["code"] == "transaction-replaced"
    assert again.status_code == 201
    assert again.json()["operationId"] != accepted.json()["operationId"]
    assert await chain.total_agents() == 1
