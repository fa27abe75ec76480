"""A coordinator that has its price: a run begins when it is paid for (x402 v2), and is paid for once."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import pytest_asyncio
from eth_account import Account
from fastapi.responses import JSONResponse
from mesh_coordinator.service import charges
from mesh_shared.chain.abi import Function
from mesh_shared.x402.exact import AUTHORIZATION_STATE, Reason
from mesh_shared.x402.wire import (
    REQUIRED,
    RESPONSE,
    SIGNATURE,
    Authorization,
    Exact,
    Payment,
    PaymentRequired,
    Requirements,
    Settlement,
)

if TYPE_CHECKING:
    import httpx
    from callers import Caller
    from chains import Chain
    from eth_account.signers.local import LocalAccount
    from fastapi import Request, Response
    from towns import Agent, Body, Town

pytestmark = pytest.mark.asyncio(loop_scope="module")
PRICE = 7
SETTINGS = {"run_price": PRICE}
TASK: Body = {"task": "t", "requirements": [{"id": "a", "capability": "free"}]}
TRANSFER = {
    "TransferWithAuthorization": [
        {"name": "from", "type": "address"},
        {"name": "to", "type": "address"},
        {"name": "value", "type": "uint256"},
        {"name": "validAfter", "type": "uint256"},
        {"name": "validBefore", "type": "uint256"},
        {"name": "nonce", "type": "bytes32"},
    ]
}
CANCELLATION = {
    "CancelAuthorization": [{"name": "authorizer", "type": "address"}, {"name": "nonce", "type": "bytes32"}]
}
CANCEL = Function("cancelAuthorization", ["address", "bytes32", "bytes"])
MOVE = Function("transfer", ["address", "uint256"])


@dataclass
class Customer:
    """Somebody with tokens who signs payments, good ones unless told otherwise."""

    chain: Chain
    wallet: LocalAccount
    required: PaymentRequired

    def pays(self, *, signer: LocalAccount | None = None, version: int = 2, **other: Any) -> str:
        """The header; what is `other` in the accepted way or in what is signed replaces what was required."""
        accepted = self.required.accepts[0]
        signed: dict[str, Any] = {
            "payer": self.wallet.address,
            "to": accepted.pay_to,
            "value": accepted.amount,
            "valid_after": "0",
            "valid_before": str(int(time.time()) + 600),
            "nonce": "0x" + uuid4().hex * 2,
        }
        signed |= {name: value for name, value in other.items() if name in signed}
        ways = {name: value for name, value in other.items() if name not in signed}
        authorization = Authorization(**signed)
        payment = Payment(
            x402_version=version,
            accepted=Requirements(**(accepted.model_dump() | ways)),
            payload=Exact(
                authorization=authorization, signature=self._signed(authorization, signer or self.wallet)
            ),
        )
        return payment.encoded()

    def _signed(self, authorization: Authorization, signer: LocalAccount) -> str:
        message: dict[str, Any] = authorization.model_dump(by_alias=True)
        message |= {name: int(message[name]) for name in ("value", "validAfter", "validBefore")}
        message["nonce"] = bytes.fromhex(message["nonce"][2:])
        return signer.sign_typed_data(self.domain, TRANSFER, message).signature.to_0x_hex()

    @property
    def domain(self) -> dict[str, Any]:
        """The token's, as the requirement says."""
        way = self.required.accepts[0]
        told = {name: way.extra[name] for name in ("name", "version")}
        return told | {"chainId": int(way.network.partition(":")[2]), "verifyingContract": way.asset}

    async def units(self) -> int:
        return await self.chain.units(self.wallet.address)


@pytest_asyncio.fixture(loop_scope="module")
async def caller(place: tuple[Caller, Town]) -> Caller:
    caller, town = place
    if "clerk" not in town.agents:

        async def work(request: Request, agent: Agent) -> Response:
            return JSONResponse({"content": {"success": True, "data": "done"}})

        await town.move_in("clerk", work, price=0, capability="free")
    return caller


@pytest_asyncio.fixture(loop_scope="module")
async def customer(caller: Caller, place: tuple[Caller, Town]) -> Customer:
    chain, wallet = place[1].chain, Account.create()
    await chain.enrich(wallet.address, 100)
    required = told(await start(caller))
    return Customer(chain, wallet, required)


async def start(
    caller: Caller, payment: str | None = None, key: str = "", path: str = "/v1/runs", body: Any = TASK
) -> httpx.Response:
    headers = {"Idempotency-Key": key or uuid4().hex, "Prefer": "wait=30"}
    return await caller.post(path, body, **headers, **({SIGNATURE: payment} if payment else {}))


def told(answer: httpx.Response) -> PaymentRequired:
    """How it is paid for, as a 402 has it."""
    assert answer.status_code == 402, answer.text
    assert answer.json()["code"] == "payment-missing"
    required = PaymentRequired.decoded(answer.headers[REQUIRED])
    assert answer.json()["reason"] == required.error
    return required


async def test_who_has_not_paid_is_told_how_and_nothing_begins(caller: Caller, place: tuple[Caller, Town]):
    chain = place[1].chain
    before = (await caller.http.get("/v1/runs")).json()["items"]

    required = told(await start(caller))

    (way,) = required.accepts
    assert (way.scheme, way.network, way.amount) == ("exact", "eip155:31337", str(PRICE))
    assert way.asset == chain.deployed.address("MeshToken")
    assert required.error == charges.UNPAID
    assert required.resource.url.endswith("/v1/runs")
    assert (await caller.http.get("/v1/runs")).json()["items"] == before


async def test_who_pays_has_a_run_and_a_receipt(caller: Caller, customer: Customer):
    nonce, till = "0x" + "a1" * 32, customer.required.accepts[0].pay_to
    held = await customer.chain.units(till)

    answer = await start(caller, customer.pays(nonce=nonce))

    receipt = Settlement.decoded(answer.headers[RESPONSE])
    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")
    assert (receipt.success, receipt.network, receipt.amount) == (True, "eip155:31337", str(PRICE))
    assert receipt.payer == customer.wallet.address.lower()
    mined = await customer.chain.rpc.request("eth_getTransactionReceipt", receipt.transaction)
    assert mined["status"] == "0x1"
    assert (await customer.units(), await customer.chain.units(till)) == (100 - PRICE, held + PRICE)
    token = customer.chain.deployed.address("MeshToken")
    used = await customer.chain.rpc.call(
        token, AUTHORIZATION_STATE, customer.wallet.address, bytes.fromhex(nonce[2:])
    )
    assert used == (True,)


async def test_the_key_of_a_request_that_was_not_paid_pays_later_and_once(caller: Caller, customer: Customer):
    key = uuid4().hex
    told(await start(caller, key=key))

    first = await start(caller, customer.pays(), key)
    again = await start(caller, customer.pays(), key)

    assert first.json()["id"] == again.json()["id"]
    assert first.headers[RESPONSE] == again.headers[RESPONSE]
    assert again.headers["idempotency-replayed"] == "true"
    assert await customer.units() == 100 - PRICE


async def test_a_payment_pays_for_one_run(caller: Caller, customer: Customer):
    payment = customer.pays()
    await start(caller, payment)

    assert told(await start(caller, payment)).error == Reason.NONCE
    assert await customer.units() == 100 - PRICE


async def test_of_many_runs_at_once_for_one_payment_one_begins(caller: Caller, customer: Customer):
    payment = customer.pays()

    answers = await asyncio.gather(*(start(caller, payment) for _ in range(8)))

    assert sorted(answer.status_code for answer in answers) == [200] + 7 * [402]
    assert {told(answer).error for answer in answers if answer.status_code == 402} == {Reason.NONCE}
    assert await customer.units() == 100 - PRICE


SOMEBODY = Account.create()


@pytest.mark.parametrize(
    ("reason", "other"),
    [
        (Reason.VERSION, {"version": 1}),
        (Reason.SCHEME, {"scheme": "upto"}),
        (Reason.NETWORK, {"network": "eip155:1"}),
        (Reason.REQUIREMENTS, {"asset": SOMEBODY.address}),
        (Reason.REQUIREMENTS, {"amount": "1"}),
        (Reason.RECIPIENT, {"to": SOMEBODY.address}),
        (Reason.VALUE, {"value": str(PRICE - 1)}),
        (Reason.VALUE, {"value": str(PRICE + 1)}),
        (Reason.EARLY, {"valid_after": "9999999999"}),
        (Reason.LATE, {"valid_before": "1"}),
        (Reason.SIGNATURE, {"signer": SOMEBODY}),
        (Reason.FUNDS, {"payer": SOMEBODY.address, "signer": SOMEBODY}),
    ],
)
async def test_what_is_wrong_with_a_payment_has_a_name_and_moves_nothing(
    caller: Caller, customer: Customer, reason: Reason, other: dict[str, Any]
):
    answer = await start(caller, customer.pays(**other))

    assert told(answer).error == reason
    assert await customer.units() == 100


@pytest.mark.parametrize("header", ["bm90IEpTT04=", "e30=", "a", "W1tbW1tbW1tb"])
async def test_what_is_no_payment_is_called_so(caller: Caller, header: str):
    assert told(await start(caller, header)).error == Reason.PAYLOAD


async def test_a_nonce_that_was_used_elsewhere_pays_for_nothing(caller: Caller, customer: Customer):
    word, chain, owner = uuid4().bytes * 2, customer.chain, customer.wallet.address
    message = {"authorizer": owner, "nonce": word}
    signed = customer.wallet.sign_typed_data(customer.domain, CANCELLATION, message)
    await chain.send(chain.minter, "MeshToken", CANCEL, owner, word, bytes(signed.signature))

    assert told(await start(caller, customer.pays(nonce=f"0x{word.hex()}"))).error == Reason.NONCE


async def test_what_cannot_be_done_is_not_charged(caller: Caller, customer: Customer):
    nobody = TASK | {"requirements": [{"id": "a", "capability": "nobody-does-this"}]}

    answer = await start(caller, customer.pays(), body=nobody)

    assert (answer.status_code, answer.json()["code"]) == (409, "no-acceptable-agent")
    assert await customer.units() == 100


async def test_one_call_and_a_fork_have_their_price_and_an_action_takes_no_money(
    caller: Caller, customer: Customer
):
    call = {"capability": "free"}
    told(await start(caller, path="/v1/execute", body=call))
    done = await start(caller, customer.pays(), path="/v1/execute", body=call)
    fork = f"/v1/runs/{done.json()['run_id']}/fork"
    told(await start(caller, path=fork, body={"from_step": "call"}))
    forked = await start(caller, customer.pays(), path=fork, body={"from_step": "call"})
    action = await caller.post(
        "/actions/EXECUTE_WITH_INCENTIVES", {"parameters": call}, **{"Idempotency-Key": uuid4().hex}
    )

    assert [Settlement.decoded(one.headers[RESPONSE]).success for one in (done, forked)] == [True, True]
    assert action.json()["content"]["error"]["code"] == "payment-missing"
    assert await customer.units() == 100 - 2 * PRICE


async def test_a_payment_whose_end_nobody_knows_yet_is_waited_for_and_not_taken_twice(
    caller: Caller, customer: Customer, monkeypatch: pytest.MonkeyPatch
):
    payment, key, rpc = customer.pays(), uuid4().hex, customer.chain.rpc
    headers = {"Idempotency-Key": key, "Prefer": "wait=30", SIGNATURE: payment}
    await rpc.request("evm_setAutomine", False)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(charges, "MINED_WITHIN_S", 0.3)
            pending = await caller.http.post("/v1/runs", json=TASK, headers=headers)
    finally:
        await rpc.request("evm_setAutomine", True)
        await rpc.request("evm_mine")
    paid = await start(caller, payment, key)

    assert (pending.status_code, pending.json()["code"]) == (503, "payment-pending")
    assert (paid.status_code, paid.json()["status"]) == (200, "succeeded")
    assert await customer.units() == 100 - PRICE


async def test_a_payment_that_comes_to_nothing_after_all_leaves_the_run_to_be_paid_for_otherwise(
    caller: Caller, customer: Customer
):
    rpc, key = customer.chain.rpc, uuid4().hex
    await rpc.request("evm_setAutomine", False)
    try:
        first = asyncio.create_task(start(caller, customer.pays(), key))
        async with asyncio.timeout(30):
            while not int((await rpc.request("txpool_status"))["pending"], 16):
                await asyncio.sleep(0.02)
        # What the customer had is gone before the block that would have moved it.
        await rpc.request("anvil_impersonateAccount", customer.wallet.address)
        spent = {
            "from": customer.wallet.address,
            "to": customer.domain["verifyingContract"],
            "data": "0x" + MOVE.encode(SOMEBODY.address, 100).hex(),
            "maxFeePerGas": hex(400 * 10**9),
            "maxPriorityFeePerGas": hex(300 * 10**9),
            "gas": hex(200_000),
        }
        await rpc.request("eth_sendTransaction", spent)
    finally:
        await rpc.request("evm_mine")
        await rpc.request("evm_setAutomine", True)
    refused = await first
    await customer.chain.enrich(customer.wallet.address, 100)
    paid = await start(caller, customer.pays(), key)

    assert told(refused).error == Reason.TRANSACTION
    assert not Settlement.decoded(refused.headers[RESPONSE]).success
    assert (paid.status_code, await customer.units()) == (200, 100 - PRICE)
