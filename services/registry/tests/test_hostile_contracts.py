"""Owners and tokens that are contracts and mean no good: nothing of theirs gets further than a refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from eth_account import Account
from eth_utils.crypto import keccak
from mesh_registry.adapters.contracts import REGISTER_AGENT, OnChainContracts

if TYPE_CHECKING:
    from callers_of_registry import Body, Caller
    from unaided import Chain

DIGEST = keccak(text="what is signed")
MAGIC = "631626ba7e60e01b60005260206000f3"  # returns isValidSignature's selector, padded to 32 bytes
RECEIVED = "63150b7a0260e01b60005260206000f3"  # returns onERC721Received's
# "true" to every transfer, and nobody's balance ever changes.
LIES_ABOUT_MONEY = "0x600160005260206000f3"


def calling_back(registry: str, data: bytes, *, insists: bool) -> str:
    """Code that calls `registry` whenever it is called; one that `insists` reverts when that fails."""
    length = len(data)
    call = f"6000600061{length:04x}6000600073{registry[2:].lower()}5af1"
    after = "15603f57" + RECEIVED + "5b60006000fd" if insists else "50" + RECEIVED
    start = len(call + after) // 2 + 9  # behind this very code is what to call with
    copy = f"61{length:04x}61{start:04x}600039"
    return "0x" + copy + call + after + data.hex()


async def drafted(caller: Caller, owner: Any) -> Body:
    """A registration that `owner` signed."""
    wish = caller.wish("acme/one")
    draft = (await caller.post("/v1/registrations", json=wish | {"owner": owner.address})).json()
    signature = Account.sign_typed_data(owner.key, full_message=draft["registration"]).signature
    signed = {"owner": owner.address, "deadline": draft["deadline"], "signature": "0x" + signature.hex()}
    return wish | {"authorization": signed}


@pytest.fixture
def evil(chain: Chain) -> bytes:
    """The call that registers another agent in the middle of a registration."""
    return REGISTER_AGENT.encode(keccak(text="evil/agent"), "did:x:y", "b", 0, [])


async def test_an_owner_that_insists_on_calling_back_gets_no_agent(
    caller_lite: Caller, chain: Chain, evil: bytes
):
    owner = Account.create()
    body = await drafted(caller_lite, owner)
    code = calling_back(chain.registry, evil, insists=True)
    await chain.rpc.request("anvil_setCode", owner.address, code)

    refused = await caller_lite.register(body)

    assert (refused.status_code, refused.json()["code"]) == (409, "owner-cannot-receive")
    assert await chain.total_agents() == 0


async def test_an_owner_that_calls_back_in_vain_has_one_agent(caller_lite: Caller, chain: Chain, evil: bytes):
    owner = Account.create()
    body = await drafted(caller_lite, owner)
    code = calling_back(chain.registry, evil, insists=False)
    await chain.rpc.request("anvil_setCode", owner.address, code)

    accepted = await caller_lite.register(body, wait="confirmed")

    agent = await caller_lite.agent("acme/one")
    assert accepted.status_code == 201
    assert agent is not None
    assert (agent["owner"], await chain.total_agents()) == (owner.address, 1)
    assert await caller_lite.agent("evil/agent") is None


async def test_a_token_that_moves_another_amount_is_found_out(
    caller_lite: Caller, chain: Chain, state_dir: Any
):
    token = chain.deployed.address("MeshToken")
    honest = await chain.rpc.request("eth_getCode", token, "latest")
    await chain.rpc.request("anvil_setCode", token, LIES_ABOUT_MONEY)

    refused = await caller_lite.register(caller_lite.wish("acme/one", stake=5))

    await chain.rpc.request("anvil_setCode", token, honest)
    assert (refused.status_code, refused.json()["code"]) == (409, "token-takes-fee")
    assert await chain.total_agents() == 0


# What an account's code does when it is asked whether a signature is its own, and whether that is a yes.
WORDS: dict[str, tuple[str, bool]] = {
    "says yes": (f"0x{MAGIC}", True),
    "has no code": ("0x", False),
    "says the word of another standard": (f"0x{RECEIVED}", False),
    "says true": (LIES_ABOUT_MONEY, False),
    "says yes and more in the same word": ("0x631626ba7e60e01b60011760005260206000f3", False),
    "says the word at the wrong end": ("0x631626ba7e60005260206000f3", False),
    "says four bytes only": ("0x631626ba7e60e01b60005260046000f3", False),
    "reverts": ("0x60006000fd", False),
    "reverts with a yes": ("0x631626ba7e60e01b60005260206000fd", False),
    "never ends": ("0x5b600056", False),
    "is no code": ("0xfe", False),
    "is empty": ("0x00", False),
}


@pytest.mark.parametrize("words", WORDS)
async def test_only_a_clear_yes_of_a_wallet_counts(chain: Chain, words: str):
    code, is_yes = WORDS[words]
    wallet, contracts = Account.create().address, OnChainContracts(chain.rpc, chain.registry, chain.registry)
    await chain.rpc.request("anvil_setCode", wallet, code)

    assert await contracts.accepts(wallet, DIGEST, bytes(65)) is is_yes


async def test_the_registry_s_own_contract_signs_nothing(chain: Chain):
    contracts = OnChainContracts(chain.rpc, chain.registry, chain.registry)

    assert not await contracts.accepts(chain.registry, DIGEST, bytes(65))
