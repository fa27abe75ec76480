"""Agents whose owners sign and never hand out a key: drafts, signatures, permits."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from eth_account import Account
from mesh_registry.adapters.contracts import APPROVE
from mesh_registry.domain import naming
from mesh_registry.schemas.registrations import EXAMPLE_METADATA, AgentRequest
from mesh_shared.canonical import canonical_json
from mesh_shared.chain.abi import Function
from mesh_shared.content import cid
from pydantic import ValidationError

if TYPE_CHECKING:
    from callers_of_registry import Body, Caller
    from eth_account.signers.local import LocalAccount
    from unaided import Chain

TAKE_SIGNED = Function("permit", ["address", "address", "uint256", "uint256", "uint8", "bytes32", "bytes32"])
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
# Returns ERC-1271's "valid" to whatever it is asked, which is no word of ERC-721. An account with a key can
# have code too (EIP-7702).
YES_TO_EVERYTHING = "0x631626ba7e60e01b60005260206000f3"


@dataclass
class Owner:
    """Somebody with a key and nothing else: no ether, no session."""

    account: LocalAccount = field(default_factory=Account.create)

    @property
    def address(self) -> str:
        return self.account.address

    def sign(self, typed: Body) -> str:
        return "0x" + Account.sign_typed_data(self.account.key, full_message=typed).signature.hex()

    def authorize(self, draft: Body) -> Body:
        """The draft, signed."""
        authorization: Body = {
            "owner": self.address,
            "deadline": draft["deadline"],
            "signature": self.sign(draft["registration"]),
        }
        if draft["permit"] is not None:
            permit = {"deadline": draft["deadline"], "signature": self.sign(draft["permit"])}
            authorization["permit"] = permit
        return authorization


def mirrored(signature: str) -> str:
    """The other signature that recovers to the same key, which anybody can make from the first (EIP-2)."""
    raw = bytes.fromhex(signature[2:])
    s = ORDER - int.from_bytes(raw[32:64])
    return "0x" + (raw[:32] + s.to_bytes(32) + bytes([27 + 28 - raw[64]])).hex()


async def drafted(caller: Caller, wish: Body, owner: str) -> Body:
    answer = await caller.post("/v1/registrations", json=wish | {"owner": owner})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def registered(caller: Caller, wish: Body, owner: Owner) -> Any:
    draft = await drafted(caller, wish, owner.address)
    return await caller.register(wish | {"authorization": owner.authorize(draft)}, wait="confirmed")


@pytest.fixture
def owner() -> Owner:
    return Owner()


async def test_an_owner_who_signs_owns_the_agent_and_pays_no_gas(caller: Caller, chain: Chain, owner: Owner):
    answer = await registered(caller, caller.wish("acme/one", "test-capability"), owner)

    (agent,) = await caller.found("test-capability")
    assert answer.status_code == 201
    assert agent["owner"] == owner.address
    assert agent["did"] == f"did:pkh:eip155:31337:{owner.address}"
    assert await chain.nonce_of(owner.address) == 0


async def test_a_draft_is_exactly_what_was_asked_for(caller_lite: Caller, chain: Chain, owner: Owner):
    wish = caller_lite.wish("acme/one", "b", "a", stake=5)

    draft = await drafted(caller_lite, wish, owner.address.lower())

    message = draft["registration"]["message"]
    document = canonical_json(wish["metadata"])
    assert draft["registration"]["domain"]["verifyingContract"] == chain.registry
    assert draft["registration"]["domain"]["chainId"] == 31337
    assert message["owner"] == owner.address
    assert message["agentKey"] == naming.agent_id_of("acme/one") == draft["agentId"]
    assert message["ipfsHash"] == str(cid.of(document)) == draft["metadataCid"]
    assert message["capabilities"] == list(naming.capability_hashes(["a", "b"]))
    assert (message["stake"], message["nonce"]) == ("5", str(draft["nonce"]))
    assert draft["permit"]["message"]["spender"] == chain.registry
    assert draft["permit"]["message"]["value"] == "5"


async def test_a_draft_without_stake_asks_for_no_permit(caller_lite: Caller, owner: Owner):
    draft = await drafted(caller_lite, caller_lite.wish("acme/one"), owner.address)

    assert draft["permit"] is None


async def test_a_draft_is_valid_for_an_hour(caller_lite: Caller, chain: Chain, owner: Owner):
    draft = await drafted(caller_lite, caller_lite.wish("acme/one"), owner.address)

    assert 3000 < draft["deadline"] - await chain.now() < 4200


async def test_a_draft_leaves_nothing_behind(caller_lite: Caller, chain: Chain, owner: Owner):
    draft = await drafted(caller_lite, caller_lite.wish("acme/one"), owner.address)

    stored = await caller_lite.http.get(f"/v1/content/{draft['metadataCid']}")
    assert stored.status_code == 404
    assert await chain.total_agents() == 0


async def test_no_draft_is_made_for_an_id_that_is_taken(caller_lite: Caller, owner: Owner):
    wish = caller_lite.wish("acme/one")
    await caller_lite.registered("acme/one")

    answer = await caller_lite.post("/v1/registrations", json=wish | {"owner": owner.address})

    assert (answer.status_code, answer.json()["code"]) == (409, "agent-exists")


async def test_a_permit_locks_the_owner_s_stake(caller: Caller, chain: Chain, owner: Owner):
    await chain.fund(owner.address, 80)
    before = await chain.tokens_of(chain.registry)

    answer = await registered(caller, caller.wish("acme/one", stake=50), owner)

    assert answer.status_code == 201
    assert await chain.tokens_of(chain.registry) - before == 50
    assert await chain.tokens_of(owner.address) == 30


async def test_an_allowance_given_before_needs_no_permit(caller_lite: Caller, chain: Chain):
    owner = Owner()
    await chain.fund(owner.address, 50)
    await chain.rpc.request("anvil_impersonateAccount", owner.address)
    await chain.send(owner.address, "MeshToken", APPROVE, chain.registry, 50)
    wish = caller_lite.wish("acme/one", stake=50)
    draft = await drafted(caller_lite, wish, owner.address)
    signed = owner.authorize(draft)
    del signed["permit"]

    answer = await caller_lite.register(wish | {"authorization": signed}, wait="confirmed")

    assert answer.status_code == 201


async def test_a_permit_that_somebody_used_first_blocks_nothing(
    caller_lite: Caller, chain: Chain, owner: Owner
):
    await chain.fund(owner.address, 50)
    wish = caller_lite.wish("acme/one", stake=50)
    draft = await drafted(caller_lite, wish, owner.address)
    signed = owner.authorize(draft)
    raw = bytes.fromhex(signed["permit"]["signature"][2:])
    said = (owner.address, chain.registry, 50, draft["deadline"], raw[64], raw[:32], raw[32:64])
    await chain.send(chain.accounts[7], "MeshToken", TAKE_SIGNED, *said)

    answer = await caller_lite.register(wish | {"authorization": signed}, wait="confirmed")

    assert answer.status_code == 201


@pytest.mark.parametrize("held", [0, 49])
async def test_an_owner_without_the_stake_is_told_so(
    caller_lite: Caller, chain: Chain, owner: Owner, held: int
):
    if held:
        await chain.fund(owner.address, held)

    refused = await registered(caller_lite, caller_lite.wish("acme/one", stake=50), owner)

    assert (refused.status_code, refused.json()["code"]) == (409, "balance-too-low")
    assert await chain.total_agents() == 0


async def test_a_stake_without_permit_or_allowance_is_told_so(
    caller_lite: Caller, chain: Chain, owner: Owner
):
    await chain.fund(owner.address, 50)
    wish = caller_lite.wish("acme/one", stake=50)
    signed = owner.authorize(await drafted(caller_lite, wish, owner.address))
    del signed["permit"]

    refused = await caller_lite.register(wish | {"authorization": signed})

    assert (refused.status_code, refused.json()["code"]) == (409, "allowance-too-low")


async def test_what_was_not_signed_is_not_registered(caller_lite: Caller, chain: Chain, owner: Owner):
    wish = caller_lite.wish("acme/one", "cheap")
    signed = owner.authorize(await drafted(caller_lite, wish, owner.address))
    thief = Owner()
    changed: list[Body] = [
        caller_lite.wish("acme/two", "cheap"),
        caller_lite.wish("acme/one", "dear"),
        wish | {"stake": "1"},
        wish | {"did": "did:web:evil.example"},
        wish | {"metadata": caller_lite.metadata("cheap", endpoint="https://evil.example")},
    ]
    attempts = [body | {"authorization": signed} for body in changed]
    attempts += [
        wish | {"authorization": signed | {"owner": thief.address}},
        wish | {"authorization": signed | {"deadline": signed["deadline"] + 1}},
        wish | {"authorization": signed | {"signature": "0x" + "11" * 64 + "1b"}},
        wish | {"authorization": signed | {"signature": "0x" + "00" * 64 + "1c"}},
        wish | {"authorization": signed | {"signature": mirrored(signed["signature"])}},
    ]

    answers = [await caller_lite.register(body, key=str(n)) for n, body in enumerate(attempts)]

    assert {answer.status_code for answer in answers} == {409}
    assert {answer.json()["code"] for answer in answers} == {"signature-does-not-match"}
    assert await chain.total_agents() == 0


async def test_a_signature_is_good_for_one_registration(caller_lite: Caller, chain: Chain, owner: Owner):
    first = caller_lite.wish("acme/one")
    second = caller_lite.wish("acme/two")
    drafts = [await drafted(caller_lite, wish, owner.address) for wish in (first, second)]
    await caller_lite.register(first | {"authorization": owner.authorize(drafts[0])}, wait="confirmed")

    refused = await caller_lite.register(second | {"authorization": owner.authorize(drafts[1])})

    assert (refused.status_code, refused.json()["code"]) == (409, "signature-does-not-match")


async def test_a_nonce_that_is_taken_on_the_way_is_told(caller_lite: Caller, chain: Chain, owner: Owner):
    wishes = [caller_lite.wish("acme/one"), caller_lite.wish("acme/two")]
    first, second = [
        wish | {"authorization": owner.authorize(await drafted(caller_lite, wish, owner.address))}
        for wish in wishes
    ]
    async with chain.holding(), asyncio.TaskGroup() as tasks:
        await caller_lite.register(first)
        late = tasks.create_task(caller_lite.register(second))
        await caller_lite.has_accepted(2)
        await chain.mine(1)

    refused = late.result()
    assert (refused.status_code, refused.json()["code"]) == (409, "nonce-used")
    assert await chain.total_agents() == 1


async def test_a_deadline_that_has_passed_is_told(caller_lite: Caller, chain: Chain, owner: Owner):
    wish = caller_lite.wish("acme/one")
    draft = await drafted(caller_lite, wish, owner.address)
    draft["registration"]["message"]["deadline"] = "1"
    signed = owner.authorize(draft | {"deadline": 1})

    refused = await caller_lite.register(wish | {"authorization": signed})

    assert (refused.status_code, refused.json()["code"]) == (409, "deadline-passed")
    assert await chain.total_agents() == 0


async def test_an_owner_that_takes_no_tokens_is_told(caller_lite: Caller, chain: Chain, owner: Owner):
    wish = caller_lite.wish("acme/one")
    signed = owner.authorize(await drafted(caller_lite, wish, owner.address))
    await chain.rpc.request("anvil_setCode", owner.address, YES_TO_EVERYTHING)

    refused = await caller_lite.register(wish | {"authorization": signed})

    assert (refused.status_code, refused.json()["code"]) == (409, "owner-cannot-receive")


async def test_the_same_signed_registration_twice_is_one_agent(
    caller_lite: Caller, chain: Chain, owner: Owner
):
    wish = caller_lite.wish("acme/one")
    body = wish | {"authorization": owner.authorize(await drafted(caller_lite, wish, owner.address))}

    first = await caller_lite.register(body, key="one", wait="confirmed")
    again = await caller_lite.register(body, key="two")

    assert again.json()["operationId"] == first.json()["operationId"]
    assert await chain.total_agents() == 1


@pytest.mark.parametrize(
    "change",
    [
        {"owner": "0x12"},
        {"owner": "me"},
        {"deadline": -1},
        {"deadline": "soon"},
        {"deadline": True},
        {"signature": "0x" + "11" * 64},
        {"signature": "0x" + "11" * 65 + "0"},
        {"signature": "0x" + "11" * 4097},
        {"signature": "11" * 65},
        {"permit": {"deadline": 1}},
        {"key": "0x51"},
    ],
    ids=str,
)
def test_an_authorization_has_one_shape(change: Body):
    good: Body = {"owner": "0x" + "1" * 40, "deadline": 5, "signature": "0x" + "1b" * 65}
    body: Body = {"id": "acme/one", "metadata": EXAMPLE_METADATA}
    AgentRequest.model_validate(body | {"authorization": good})

    with pytest.raises(ValidationError):
        AgentRequest.model_validate(body | {"authorization": good | change})
