"""Whether an agent's owner signed a text, for services that cannot ask the chain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from mesh_registry.domain import naming

if TYPE_CHECKING:
    from callers_of_registry import Caller
    from eth_account.signers.local import LocalAccount
    from unaided import Chain

NAME = "acme/signer"
AGENT_ID = naming.agent_id_of(NAME)
TEXT = "gateway.example wants you to sign in with your Ethereum account:\n…"
# A contract that says ERC-1271's "valid" to whatever it is asked.
YES_TO_EVERYTHING = "0x631626ba7e60e01b60005260206000f3"


def signed(account: LocalAccount, text: str = TEXT) -> str:
    return "0x" + account.sign_message(encode_defunct(text=text)).signature.hex()


async def ask(caller: Caller, signature: str, text: str = TEXT, agent_id: str = AGENT_ID) -> Any:
    body = {"text": text, "signature": signature}
    return await caller.post(f"/v1/agents/{agent_id}/signatures", json=body)


@pytest.fixture
async def account(caller_lite: Caller, chain: Chain) -> LocalAccount:
    """The key of an account that has an agent."""
    account: LocalAccount = Account.create()
    await chain.fund(account.address)
    await chain.rpc.request("anvil_impersonateAccount", account.address)
    await chain.register(account.address, NAME, await caller_lite.store_metadata("able"), "able")
    await caller_lite.agent_when(NAME, lambda agent: agent["metadataStatus"] == "fetched")
    return account


async def test_it_says_whether_the_owner_signed_that_very_text(caller_lite: Caller, account: LocalAccount):
    own, other = signed(account), signed(Account.create())
    mirrored = own[:-2] + ("1b" if own.endswith("1c") else "1c")

    answers = [
        await ask(caller_lite, own),
        await ask(caller_lite, other),
        await ask(caller_lite, mirrored),
        await ask(caller_lite, own, TEXT + " "),
    ]

    assert [answer.json()["signed"] for answer in answers] == [True, False, False, False]
    assert {answer.json()["owner"] for answer in answers} == {account.address}


async def test_an_owner_that_is_a_contract_speaks_for_itself(
    caller_lite: Caller, chain: Chain, account: LocalAccount
):
    await chain.rpc.request("anvil_setCode", account.address, YES_TO_EVERYTHING)

    said = await ask(caller_lite, "0x" + "00" * 65)

    assert said.json()["signed"] is True


async def test_nobody_asks_about_an_agent_that_is_not_there(caller_lite: Caller):
    answer = await ask(caller_lite, "0x" + "1b" * 65, agent_id="0x" + "00" * 32)

    assert (answer.status_code, answer.json()["code"]) == (404, "agent-not-found")
