"""A wallet proves itself before anything of its agent is changed, once for each change."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from mesh_registry.adapters.contracts import APPROVE
from mesh_registry.domain import naming
from mesh_registry.domain.challenges import Asker
from mesh_registry.domain.intents import Stake, Switch, Unstake, Update, Withdrawal
from mesh_registry.repository.challenges import MOST_OPEN
from mesh_registry.repository.tables import ChallengeRow
from sqlalchemy import func, select, update

if TYPE_CHECKING:
    from callers_of_registry import Body, Caller
    from eth_account.signers.local import LocalAccount
    from unaided import Chain

NAME = "acme/one"
AGENT_ID = naming.agent_id_of(NAME)
OFF = {"kind": "deactivate", "expectedVersion": 1}
COOLDOWN_S = 7 * 86_400
# EIP-4361, "ABNF Message Format", with every part that we write.
GRAMMAR = re.compile(
    r"(?P<domain>[A-Za-z0-9.-]+(:[0-9]+)?) wants you to sign in with your Ethereum account:\n"
    r"(?P<address>0x[0-9A-Fa-f]{40})\n\n"
    r"(?P<statement>[ -~]+)\n\n"
    r"URI: (?P<uri>https?://[!-~]+)\n"
    r"Version: 1\n"
    r"Chain ID: (?P<chain>[0-9]+)\n"
    r"Nonce: (?P<nonce>[A-Za-z0-9]{8,})\n"
    r"Issued At: (?P<issued>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)\n"
    r"Expiration Time: (?P<expires>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)\n"
    r"Resources:(?P<resources>(\n- [a-z]+://[!-~]+)+)"
)


@dataclass
class Owner:
    """Somebody with a key and an agent; no ether, no session."""

    account: LocalAccount = field(default_factory=Account.create)
    address: str = ""

    def __post_init__(self) -> None:
        self.address = self.address or self.account.address

    def say(self, message: str) -> str:
        return "0x" + self.account.sign_message(encode_defunct(text=message)).signature.hex()

    def sign(self, typed: Body) -> str:
        return "0x" + Account.sign_typed_data(self.account.key, full_message=typed).signature.hex()

    def answer(self, challenge: Body) -> Body:
        """What goes with the change."""
        answer: Body = {"proof": {"nonce": challenge["nonce"], "signature": self.say(challenge["message"])}}
        if challenge["typedData"] is not None:
            signature = self.sign(challenge["typedData"])
            answer["authorization"] = {"deadline": challenge["deadline"], "signature": signature}
        if challenge["permit"] is not None:
            permit = {"deadline": challenge["deadline"], "signature": self.sign(challenge["permit"])}
            answer["authorization"]["permit"] = permit
        return answer


async def challenged(caller: Caller, change: Body) -> Body:
    answer = await caller.post("/v1/wallet-challenges", json={"agentId": AGENT_ID, "change": change})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def changed(caller: Caller, owner: Owner, change: Body, key: str = "change") -> Any:
    answer = owner.answer(await challenged(caller, change))
    return await caller.change(NAME, change, key=key, **answer)


async def own(caller: Caller, chain: Chain, owner: Owner, stake: int = 0) -> None:
    """The agent belongs to `owner`, without our doing."""
    await chain.fund(owner.address)
    await chain.rpc.request("anvil_impersonateAccount", owner.address)
    where = await caller.store_metadata("able")
    await chain.register(owner.address, NAME, where, "able", stake=stake)
    await caller.agent_when(NAME, lambda agent: agent["metadataStatus"] == "fetched")


@pytest.fixture
async def owner(caller_lite: Caller, chain: Chain) -> Owner:
    owner = Owner()
    await own(caller_lite, chain, owner, stake=50)
    return owner


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_an_owner_changes_its_agent_and_pays_no_gas(caller: Caller, chain: Chain):
    owner = Owner()
    await own(caller, chain, owner)
    nonce = await chain.nonce_of(owner.address)
    said = caller.metadata("new")

    updated = await changed(caller, owner, {"kind": "update", "expectedVersion": 1, "metadata": said}, "one")
    off = await changed(caller, owner, OFF | {"expectedVersion": 2}, "two")
    agent = await caller.agent(NAME)

    assert (updated.status_code, off.status_code) == (201, 201)
    assert agent is not None
    assert (agent["capabilities"], agent["active"], agent["version"]) == (["new"], False, 3)
    assert await chain.nonce_of(owner.address) == nonce


async def test_an_owner_gets_its_stake_back(caller_lite: Caller, chain: Chain, owner: Owner):
    released = await changed(caller_lite, owner, {"kind": "unstake", "amount": "20"}, "one")
    await chain.rpc.request("evm_increaseTime", hex(COOLDOWN_S + 1))
    await chain.mine(1)
    withdrawn = await changed(caller_lite, owner, {"kind": "withdraw"}, "two")

    assert (released.status_code, withdrawn.status_code) == (201, 201)
    assert await chain.tokens_of(owner.address) == 20


async def test_an_owner_stakes_by_signing_and_pays_no_gas(caller: Caller, chain: Chain):
    owner = Owner()
    await own(caller, chain, owner)
    await chain.fund(owner.address, 30)
    nonce = await chain.nonce_of(owner.address)

    staked = await changed(caller, owner, {"kind": "stake", "amount": "20"})

    agent = await caller.agent(NAME)
    assert staked.status_code == 201, staked.text
    assert agent is not None
    assert agent["stakeAmount"] == "20"
    assert await chain.tokens_of(owner.address) == 10
    assert await chain.nonce_of(owner.address) == nonce


async def test_the_question_about_a_stake_has_a_permit_for_exactly_that(
    caller_lite: Caller, chain: Chain, owner: Owner
):
    asked = await challenged(caller_lite, {"kind": "stake", "amount": "20"})
    other = await challenged(caller_lite, {"kind": "unstake", "amount": "20"})

    permit = asked["permit"]["message"]
    assert (asked["typedData"]["primaryType"], asked["permit"]["primaryType"]) == ("StakeDeposit", "Permit")
    assert (permit["owner"], permit["spender"], permit["value"]) == (owner.address, chain.registry, "20")
    assert permit["deadline"] == asked["typedData"]["message"]["deadline"] == str(asked["deadline"])
    assert other["permit"] is None


async def test_a_stake_needs_no_permit_where_the_owner_allowed_it_before(
    caller_lite: Caller, chain: Chain, owner: Owner
):
    await chain.fund(owner.address, 20)
    stake = {"kind": "stake", "amount": "20"}
    answer = owner.answer(await challenged(caller_lite, stake))
    del answer["authorization"]["permit"]

    refused = await caller_lite.change(NAME, stake, key="one", **answer)
    await chain.send(owner.address, "MeshToken", APPROVE, chain.registry, 20)
    staked = await caller_lite.change(
        NAME, stake, key="two", **owner.answer(await challenged(caller_lite, stake))
    )

    assert (code(refused), staked.status_code) == ((409, "allowance-too-low"), 201)
    assert await chain.tokens_of(owner.address) == 0


async def test_one_signed_stake_many_times_at_once_is_paid_once(
    caller_lite: Caller, chain: Chain, owner: Owner
):
    await chain.fund(owner.address, 100)
    stake = {"kind": "stake", "amount": "20"}
    answer = owner.answer(await challenged(caller_lite, stake))

    answers = await asyncio.gather(
        *(caller_lite.change(NAME, stake, key=str(n % 2), **answer) for n in range(6))
    )

    assert {a.status_code for a in answers} == {201, 409}
    assert len({a.json()["operationId"] for a in answers if a.status_code == 201}) == 1
    assert await chain.tokens_of(owner.address) == 80


async def test_a_challenge_says_who_asks_whom_for_what(caller_lite: Caller, owner: Owner, chain: Chain):
    said = caller_lite.metadata("new")

    challenge = await challenged(caller_lite, {"kind": "update", "expectedVersion": 1, "metadata": said})

    parts = GRAMMAR.fullmatch(challenge["message"])
    assert parts is not None, challenge["message"]
    assert (parts["domain"], parts["chain"]) == ("127.0.0.1:8371", "31337")
    assert (parts["address"], challenge["owner"]) == (owner.address, owner.address)
    assert parts["statement"] == "Update the agent that is at version 1."
    assert parts["nonce"] == challenge["nonce"]
    assert f"/v1/agents/{AGENT_ID}" in parts["resources"]
    assert f"ipfs://{challenge['metadataCid']}" in parts["resources"]
    assert challenge["typedData"]["primaryType"] == "AgentUpdate"
    assert challenge["typedData"]["domain"]["verifyingContract"] == chain.registry


@pytest.mark.parametrize(
    "change",
    [
        Update(agent_id=AGENT_ID, cid="b" * 59, capabilities=(), expected_version=7),
        Switch(agent_id=AGENT_ID, expected_version=7, kind="activate"),
        Stake(agent_id=AGENT_ID, units=2**127),
        Unstake(agent_id=AGENT_ID, units=2**127),
        Withdrawal(agent_id=AGENT_ID),
    ],
    ids=lambda change: change.kind,
)
@pytest.mark.parametrize("url", ["http://127.0.0.1:8371", "https://registry.example"])
def test_every_challenge_keeps_to_the_grammar_and_to_five_minutes(change: Any, url: str):
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    asker = Asker(url=url, chain_id=1)

    asked = asker.ask(change, "0x" + "aB" * 20, "5e" * 16, now, now + timedelta(minutes=5))

    parts = GRAMMAR.fullmatch(asked.message)
    assert parts is not None, asked.message
    assert parts["domain"] == url.partition("://")[2]
    assert (parts["issued"], parts["expires"]) == ("2026-01-02T03:04:05Z", "2026-01-02T03:09:05Z")


async def test_a_challenge_is_open_for_five_minutes(caller_lite: Caller, owner: Owner):
    challenge = await challenged(caller_lite, OFF)

    left = datetime.fromisoformat(challenge["expiresAt"]) - datetime.now(UTC)
    assert timedelta(minutes=4) < left <= timedelta(minutes=5)


async def test_nothing_is_changed_without_the_owner(caller_lite: Caller, chain: Chain, owner: Owner):
    answer = owner.answer(await challenged(caller_lite, OFF))
    attempts: list[Body] = [
        {},
        {"authorization": answer["authorization"]},
        {"proof": answer["proof"]},
    ]

    answers = [await caller_lite.change(NAME, OFF, key=str(n), **more) for n, more in enumerate(attempts)]

    agent = await caller_lite.agent(NAME)
    assert [code(answer) for answer in answers] == [(409, "owner-must-sign")] * 3
    assert agent is not None
    assert agent["active"]


async def test_an_answer_counts_once(caller_lite: Caller, chain: Chain, owner: Owner):
    answer = owner.answer(await challenged(caller_lite, {"kind": "unstake", "amount": "5"}))

    first = await caller_lite.change(NAME, {"kind": "unstake", "amount": "5"}, key="one", **answer)
    again = await caller_lite.change(NAME, {"kind": "unstake", "amount": "5"}, key="two", **answer)

    agent = await caller_lite.agent(NAME)
    assert (first.status_code, code(again)) == (201, (409, "challenge-closed"))
    assert agent is not None
    assert agent["stakeAmount"] == "45"


async def test_one_answer_many_times_at_once_is_one_operation(caller: Caller, chain: Chain):
    owner = Owner()
    await own(caller, chain, owner)
    answer = owner.answer(await challenged(caller, OFF))

    answers = await asyncio.gather(*(caller.change(NAME, OFF, key=str(n), **answer) for n in range(8)))

    assert {a.status_code for a in answers} == {201}
    assert len({a.json()["operationId"] for a in answers}) == 1


async def test_an_answer_that_comes_too_late_does_not_count(caller_lite: Caller, owner: Owner):
    answer = owner.answer(await challenged(caller_lite, OFF))
    async with caller_lite.app.state.platform.database.write() as session:
        await session.execute(update(ChallengeRow).values(expires_at=datetime.now(UTC)))

    refused = await caller_lite.change(NAME, OFF, **answer)

    assert code(refused) == (409, "challenge-closed")


async def test_an_answer_is_for_the_change_that_was_asked_about(caller_lite: Caller, owner: Owner):
    answer = owner.answer(await challenged(caller_lite, {"kind": "unstake", "amount": "5"}))
    others: list[Body] = [OFF, {"kind": "unstake", "amount": "50"}, {"kind": "withdraw"}]

    answers = [await caller_lite.change(NAME, c, key=str(n), **answer) for n, c in enumerate(others)]

    assert [code(answer) for answer in answers] == [(409, "challenge-closed")] * 3


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("127.0.0.1:8371 wants", "evil.example wants"),
        ("URI: http://127.0.0.1:8371", "URI: https://evil.example"),
        ("Chain ID: 31337", "Chain ID: 1"),
        ("Deactivate", "Activate"),
        ("Version: 1", "Version: 2"),
        ("\n", "\r\n"),
    ],
)
async def test_whatever_else_a_wallet_signs_is_no_answer(
    caller_lite: Caller, owner: Owner, old: str, new: str
):
    challenge = await challenged(caller_lite, OFF)
    assert old in challenge["message"]

    answer = owner.answer(challenge | {"message": challenge["message"].replace(old, new)})
    refused = await caller_lite.change(NAME, OFF, **answer)

    assert code(refused) == (409, "signature-does-not-match")


async def test_nobody_answers_for_the_owner(caller_lite: Caller, owner: Owner):
    thief, challenge = Owner(), await challenged(caller_lite, OFF)
    good, bad = owner.answer(challenge), thief.answer(challenge)
    attempts = [
        bad,
        good | {"proof": bad["proof"]},
        good | {"authorization": bad["authorization"]},
        good | {"proof": good["proof"] | {"signature": "0x" + "00" * 65}},
        good | {"proof": good["proof"] | {"signature": mirrored(good["proof"]["signature"])}},
        good | {"authorization": good["authorization"] | {"deadline": challenge["deadline"] + 1}},
    ]

    answers = [await caller_lite.change(NAME, OFF, key=str(n), **more) for n, more in enumerate(attempts)]
    accepted = await caller_lite.change(NAME, OFF, key="good", **good)

    assert [code(answer) for answer in answers] == [(409, "signature-does-not-match")] * len(attempts)
    assert accepted.status_code == 201  # what was refused has used up nothing


def mirrored(signature: str) -> str:
    """The other signature that recovers to the same key, which anybody can make from the first (EIP-2)."""
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    raw = bytes.fromhex(signature[2:])
    s = order - int.from_bytes(raw[32:64])
    return "0x" + (raw[:32] + s.to_bytes(32) + bytes([27 + 28 - raw[64]])).hex()


async def test_the_former_owner_has_nothing_to_say(caller_lite: Caller, chain: Chain, owner: Owner):
    answer = owner.answer(await challenged(caller_lite, OFF))
    heir = Owner()
    await chain.transfer(owner.address, 1, heir.address)
    await caller_lite.agent_when(NAME, lambda agent: agent["owner"] == heir.address)

    late = await caller_lite.change(NAME, OFF, key="late", **answer)
    heirs = await changed(caller_lite, heir, OFF, key="heir")

    assert (code(late), heirs.status_code) == ((409, "challenge-closed"), 201)


async def test_nobody_stakes_the_operator_s_tokens_for_a_stranger(
    caller_lite: Caller, chain: Chain, owner: Owner, operator: str
):
    await chain.fund(operator, 10)
    stake = {"kind": "stake", "amount": "10"}
    answer = owner.answer(await challenged(caller_lite, OFF))

    plain = await caller_lite.change(NAME, stake, key="one")
    proven = await caller_lite.change(NAME, stake, key="two", **answer)
    poor = await changed(caller_lite, owner, stake, key="three")

    assert [code(a) for a in (plain, proven, poor)] == [
        (409, "owner-must-sign"),
        (409, "challenge-closed"),
        (409, "balance-too-low"),
    ]
    assert await chain.tokens_of(operator) == 10


async def test_a_caller_has_a_hundred_open_challenges_at_most(caller_lite: Caller, owner: Owner):
    first, *_, last = [await challenged(caller_lite, OFF) for _ in range(MOST_OPEN + 1)]

    async with caller_lite.app.state.platform.database.read() as session:
        count = await session.scalar(select(func.count()).select_from(ChallengeRow))
    pushed_out = await caller_lite.change(NAME, OFF, key="first", **owner.answer(first))
    newest = await caller_lite.change(NAME, OFF, key="last", **owner.answer(last))
    assert (count, code(pushed_out), newest.status_code) == (MOST_OPEN, (409, "challenge-closed"), 201)


# An account without a key: `isValidSignature` (ERC-1271) asks ecrecover whether the key behind it signed, and
# every other call is answered as `onERC721Received` should be.
WALLET = (
    "0x60003560e01c631626ba7e14601f57"  # is it isValidSignature? then on to 0x1f
    "63150b7a0260e01b60005260206000f35b"  # return the selector of onERC721Received
    "60043560005260a43560001a602052606435604052608435606052602060806080600060015afa50"  # ecrecover
    "60805173{key}14631626ba7e60e01b0260005260206000f3"  # the key's? isValidSignature's selector, or 0
)


async def test_a_wallet_that_is_a_contract_proves_itself_by_its_word(
    caller_lite: Caller, chain: Chain, operator: str
):
    wallet = Owner(address=Account.create().address)
    by_key = WALLET.format(key=wallet.account.address[2:].lower())
    await chain.rpc.request("anvil_setCode", wallet.address, by_key)
    wish = caller_lite.wish(NAME)
    draft = (await caller_lite.post("/v1/registrations", json=wish | {"owner": wallet.address})).json()
    signed = {
        "owner": wallet.address,
        "deadline": draft["deadline"],
        "signature": wallet.sign(draft["registration"]),
    }

    registered = await caller_lite.register(wish | {"authorization": signed}, wait="confirmed")
    stranger = await changed(caller_lite, Owner(address=wallet.address), OFF, key="stranger")
    switched = await changed(caller_lite, wallet, OFF, key="own")

    assert (registered.status_code, code(stranger)) == (201, (409, "signature-does-not-match"))
    assert switched.status_code == 201
