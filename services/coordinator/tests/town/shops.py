"""An agent that works for whoever pays first (x402 v2)."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from eth_account import Account
from fastapi import Response
from fastapi.responses import JSONResponse
from mesh_shared.x402.exact import TRANSFER, Facilitator, Reason
from mesh_shared.x402.wire import (
    REQUIRED,
    RESPONSE,
    SIGNATURE,
    Payment,
    PaymentRequired,
    Requirements,
    Resource,
    Settlement,
)

if TYPE_CHECKING:
    from fastapi import Request
    from towns import Agent, Town

PRICE = 40
TOKEN, TILL = "0x" + "aa" * 20, "0x" + "bb" * 20
WAY = Requirements(
    scheme="exact",
    network="eip155:31337",
    amount=str(PRICE),
    asset=TOKEN,
    pay_to=TILL,
    max_timeout_seconds=60,
)


def demand(*ways: Requirements) -> str:
    return PaymentRequired(error="pay", resource=Resource(url="http://x"), accepts=list(ways)).encoded()


@dataclass
class Shop:
    """An agent that works for whoever pays first, and is its own facilitator; a test bends it."""

    town: Town
    name: str
    wallet: str
    ways: list[Requirements] = field(default_factory=list[Requirements])
    takes_money: bool = True
    answers: list[Response] = field(default_factory=list[Response])
    """Instead of its work, one a call, after the money was taken."""
    payments: list[str] = field(default_factory=list[str])
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    may_ask: asyncio.Event = field(default_factory=asyncio.Event)
    till: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Open for one payment at a time: a caller that died comes again while its first one is being settled."""

    async def __call__(self, request: Request, agent: Agent) -> Response:
        payment = request.headers.get(SIGNATURE)
        if payment is None:
            self.asked.set()
            await self.may_ask.wait()
            return Response(status_code=402, headers={REQUIRED: demand(*self.ways)})
        self.payments.append(payment)
        async with self.till:
            taken = await self.take(Payment.decoded(payment)) if self.takes_money else ""
        if self.answers:
            return self.answers.pop(0)
        receipt = Settlement(success=True, transaction=taken, network=WAY.network, payer=TILL)
        body = {"content": {"success": True, "data": {"work": "done"}}}
        return JSONResponse(body, headers={RESPONSE: receipt.encoded()})

    async def take(self, payment: Payment) -> str:
        """Verifies and settles as any facilitator would; the second time there is nothing to settle."""
        chain = self.town.chain
        refusal = await Facilitator(chain.rpc, chain.minter).refusal(payment, self.ways[0], time.time())
        if refusal is Reason.NONCE:
            return ""
        assert refusal is None
        signed = payment.payload.authorization
        return await chain.send(
            chain.minter,
            "MeshToken",
            TRANSFER,
            signed.payer,
            signed.to,
            int(signed.value),
            int(signed.valid_after),
            int(signed.valid_before),
            bytes.fromhex(signed.nonce[2:]),
            bytes.fromhex(payment.payload.signature[2:]),
        )


async def open_shop(town: Town, name: str, **way: Any) -> Shop:
    """A shop that lists its own name as its capability; `way` is how it wants to be paid."""
    shop = Shop(town, name, Account.create().address)
    await town.move_in(name, shop, price=0, capability=name)
    token = town.chain.deployed.address("MeshToken")
    shop.ways = [WAY.model_copy(update={"asset": token, "pay_to": shop.wallet} | way)]
    shop.may_ask.set()
    return shop
